"""What rtp is required to do under load, and whether it did. docs/how-to/loadtest.md defines each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtests.scenarios.results.result import Criterion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadtests.scenarios.results.result import Latency, Received

DETECTION_MS = 10
PROCESSING_MS = 50
THROUGHPUT = 1000
HIT_RATIO = 0.9
MOST_MEMORY_GROWTH = 0.1
MOST_P99_DRIFT = 1.5
POSTGRES_OWN = (
    "PostgreSQL's own: late by the trigger's clock, in time from the commit; between them is the writer's transaction."
)
# What is under way when the measured time begins counts, what is under way when it ends does not.
_UNDER_WAY = 0.01


@dataclass(frozen=True)
class Evidence:
    """What the criteria are judged by.

    `rate` is what was offered in the measured time. Memory and p99 are those of the soak's seconds, in order.
    """

    rate: float
    end_to_end_ms: float
    latency_ms: Mapping[str, Latency]
    throughput: float | None
    received: Mapping[str, Received]
    cache_hits: int
    cache_misses: int
    watches_drift: bool = False
    memory: Sequence[int] = ()
    p99_over_time: Sequence[float] = ()


def judge(evidence: Evidence) -> list[Criterion]:
    """Every criterion, with what was measured."""
    latency, committed = evidence.latency_ms, _from_commit(evidence.latency_ms)
    criteria = [
        *_from_detection(latency, committed),
        _at_p99("end to end p99, pub/sub", latency.get("pubsub"), evidence.end_to_end_ms),
    ]
    if "sqs" in evidence.received:
        criteria.append(_at_p99("end to end p99, SQS", latency.get("sqs"), evidence.end_to_end_ms))
    criteria.append(_throughput(evidence.rate, evidence.throughput))
    criteria.append(_hit_ratio(evidence.cache_hits, evidence.cache_misses))
    criteria.extend(_completeness(evidence.received))
    if evidence.watches_drift:
        criteria.extend(_drift(evidence.memory, evidence.p99_over_time))
    return criteria


def _from_commit(latency_ms: Mapping[str, Latency]) -> Latency | None:
    """From the commit to a subscriber, where that is known of every event.

    A subscriber has an event after rtp has it, and after Redis has run the script that keeps it: it took no longer
    until then.
    """
    all_of_them, committed = latency_ms.get("pubsub"), latency_ms.get("pubsub from commit")
    return committed if all_of_them and committed and committed.count == all_of_them.count else None


def _at_p99(name: str, latency: Latency | None, limit_ms: float, committed: Latency | None = None) -> Criterion:
    required = f"< {limit_ms:,.0f} ms"
    if latency is None:
        return Criterion(name=name, required=required, measured="not measured", passed=None)
    measured, is_within = f"{latency.p99:,.2f} ms", latency.p99 < limit_ms
    if committed is None:
        return Criterion(name=name, required=required, measured=measured, passed=is_within)
    is_within_from_commit = committed.p99 < limit_ms
    return Criterion(
        name=name,
        required=required,
        measured=f"{measured}; from the commit at most {committed.p99:,.2f} ms",
        passed=is_within or is_within_from_commit,
        is_postgres=is_within_from_commit and not is_within,
    )


def _from_detection(latency_ms: Mapping[str, Latency], committed: Latency | None) -> Iterator[Criterion]:
    """What begins where an event is detected, at the trigger's clock; where rtp run judges, at the commit before."""
    judged = latency_ms.get("pubsub commit to judge")
    for name, stage, limit_ms in (
        ("detection p99", "detect", DETECTION_MS),
        ("processing p99", "process", PROCESSING_MS),
    ):
        latency = latency_ms.get(stage)
        if judged is None or latency is None:
            yield _at_p99(name, latency, limit_ms, committed)
        else:
            yield _judged_at_p99(name, judged.p99 + latency.p99, limit_ms, committed)


def _judged_at_p99(name: str, from_commit_ms: float, limit_ms: float, committed: Latency | None) -> Criterion:
    """The p99 of both parts added, unless a subscriber has the event sooner than that."""
    p99_ms = min(from_commit_ms, committed.p99) if committed else from_commit_ms
    return Criterion(
        name=name,
        required=f"< {limit_ms:,.0f} ms",
        measured=f"{p99_ms:,.2f} ms from the commit",
        passed=p99_ms < limit_ms,
    )


def _throughput(rate: float, throughput: float | None) -> Criterion:
    needed = min(round(rate), THROUGHPUT)
    required = f">= {needed:,} events/s"
    if throughput is None:
        return Criterion(name="throughput", required=required, measured="nothing came", passed=False)
    return Criterion(
        name="throughput",
        required=required,
        measured=f"{throughput:,.0f} events/s",
        passed=throughput >= needed * (1 - _UNDER_WAY),
    )


def _hit_ratio(hits: int, misses: int) -> Criterion:
    name, required = "cache hit ratio", f"> {HIT_RATIO:.0%}"
    if not hits + misses:
        return Criterion(name=name, required=required, measured="not measured", passed=None)
    ratio = hits / (hits + misses)
    return Criterion(name=name, required=required, measured=f"{ratio:.2%}", passed=ratio > HIT_RATIO)


def _completeness(received: Mapping[str, Received]) -> Iterator[Criterion]:
    lost = sum(one.lost for one in received.values())
    of = ", ".join(f"{one.received + one.lost:,} {name}" for name, one in received.items())
    measured = f"{lost:,} lost of {of or 'nothing'}"
    if lost and "stream" in received and lost == received["pubsub"].lost:
        measured += "; the subscriber's connection lost them: they are in rtp:stream"
    yield Criterion(name="nothing lost", required="0 lost", measured=measured, passed=bool(received) and not lost)
    disordered = sum(one.out_of_order for one in received.values())
    yield Criterion(
        name="order kept per entity", required="always", measured=f"{disordered:,} out of order", passed=not disordered
    )


def _drift(memory: Sequence[int], p99_ms: Sequence[float]) -> Iterator[Criterion]:
    for name, values, most, is_growth in (
        ("memory of rtp over time", memory, 1 + MOST_MEMORY_GROWTH, True),
        ("p99 over time", p99_ms, MOST_P99_DRIFT, False),
    ):
        fifth = len(values) // 5
        required = f"< +{most - 1:.0%}" if is_growth else f"< {most:.1f} x"
        if not fifth or not sum(values[:fifth]):
            yield Criterion(name=name, required=required, measured="not measured", passed=None)
            continue
        first, last = sorted(values[:fifth])[fifth // 2], sorted(values[-fifth:])[fifth // 2]
        ratio = last / max(first, 1e-9)
        measured = f"{ratio - 1:+.1%}" if is_growth else f"{ratio:.2f} x"
        yield Criterion(name=name, required=required, measured=measured, passed=ratio < most)
