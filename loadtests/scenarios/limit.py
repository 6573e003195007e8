"""Where does it break, and what breaks first: the rate is raised until a criterion fails; then the evidence is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadtests.scenarios.results.result import RunResult

FIRST_RATE = 500.0
STEP_SECONDS = 10.0
GROWTH = 1.5
REFINEMENTS = 2
MOST_STEPS = 16
_FULL = 0.85
_MACHINE_FULL = 0.95
_LATE_MS = 50
_SLOW_STATEMENT_MS = 50
_JUDGING = "pubsub commit to judge"


@dataclass(frozen=True)
class Saturation:
    """The part that saturates first, and what shows it."""

    part: str
    evidence: str


@dataclass(frozen=True)
class Limit:
    """The highest rate that passed (None: none did), the lowest that failed (None: none did), and why.

    `last` is the run just made.
    """

    passed: RunResult | None
    failed: RunResult | None
    saturation: Saturation | None
    last: RunResult | None = None


def find_limit(run: Callable[[float], RunResult], first_rate: float) -> Iterator[Limit]:
    """Run at rising rates; yields what is known after each run, the last of which is the outcome."""
    passed: RunResult | None = None
    failed: RunResult | None = None
    rate, refined = first_rate, 0
    for _ in range(MOST_STEPS):
        result = run(rate)
        if result.passed:
            passed = result
        else:
            failed = result
        yield Limit(passed, failed, saturated(failed) if failed else None, result)
        if failed is None:
            rate = round(rate * GROWTH)
            continue
        refined += 1
        if passed is None or refined > REFINEMENTS:
            return
        rate = round((passed.rate + failed.rate) / 2)


def saturated(result: RunResult) -> Saturation:
    """Judge by a failed run's own measurements; the part nearest to the writer that is full holds up the rest."""
    failed = [criterion.name for criterion in result.criteria if criterion.passed is False]
    if not any("p99" in name or name == "throughput" for name in failed):
        return Saturation("no part", f"what fails is not about speed ({', '.join(failed)})")
    for judgement in (_writers, _full_process, _slowest_stage):
        if (found := judgement(result)) is not None:
            return _with_machine(found, result)
    return _with_machine(Saturation("none of the parts by itself", "no stage and no process stands out"), result)


def _p99(result: RunResult, stage: str) -> float:
    latency = result.latency_ms.get(stage)
    return latency.p99 if latency else 0.0


def _writers(result: RunResult) -> Saturation | None:
    late, statement = _p99(result, "lateness"), _p99(result, "statement")
    generator = max((share for name, share in result.cpu.items() if name.startswith("generator")), default=0.0)
    if late > _LATE_MS and generator >= _FULL:
        return Saturation(
            "the load generator itself",
            f"it used {generator:.0%} of a CPU, and began writes {late:,.0f} ms late at p99",
        )
    if statement > _SLOW_STATEMENT_MS:
        waits = ", ".join(f"{name}: {mean:.1f}" for name, mean in list(result.sessions.items())[:3])
        return Saturation(
            "PostgreSQL", f"a write took {statement:,.0f} ms at p99; sessions active on average: {waits or 'not seen'}"
        )
    return None


def _full_process(result: RunResult) -> Saturation | None:
    """One thread at a time is all that any of these can use for the flow's sake."""
    if result.cpu.get("rtp", 0) >= _FULL:
        is_reading = _p99(result, "detect") > _p99(result, "process") / 2
        share = f"rtp used {result.cpu['rtp']:.0%} of a CPU"
        if (judging := _p99(result, _JUDGING)) > _p99(result, "process"):
            return Saturation("judge", f"{share}, and samples wait {judging:,.0f} ms at p99 to be judged")
        if _is_behind_on_alerts_only(result):
            return Saturation("SQS client", f"{share}, and only alerts are late")
        if is_reading:
            return Saturation("reader", f"{share}, and events wait for it {_p99(result, 'detect'):,.0f} ms at p99")
        return Saturation("Redis client", f"{share}, and most of the time passes after it has read the events")
    for name in ("Redis", "SQS endpoint", "consumer", "subscriber"):
        if result.cpu.get(name, 0) >= _FULL:
            part = name if name[0].isupper() else f"the load test's own {name}"
            return Saturation(part, f"its process used {result.cpu[name]:.0%} of a CPU")
    return None


def _slowest_stage(result: RunResult) -> Saturation | None:
    if _is_behind_on_alerts_only(result):
        client, endpoint = result.cpu.get("rtp", 0), result.cpu.get("SQS endpoint", 0)
        part = "SQS endpoint" if endpoint >= client else "SQS client"
        return Saturation(
            part,
            f"only alerts are late ({_p99(result, 'sqs'):,.0f} ms at p99); "
            f"CPU: endpoint {endpoint:.0%}, rtp {client:.0%}",
        )
    judging, detect, process = _p99(result, _JUDGING), _p99(result, "detect"), _p99(result, "process")
    if judging > process:
        return Saturation("judge", f"samples wait {judging:,.1f} ms at p99 to be judged, events {process:,.1f} ms")
    if detect > process / 2 and detect > 0:
        return Saturation("reader", f"events wait {detect:,.1f} ms at p99 until rtp has them, {process:,.1f} ms in all")
    if process > 0:
        return Saturation("Redis", f"{process - detect:,.1f} of {process:,.1f} ms at p99 pass after rtp has the events")
    return None


def _is_behind_on_alerts_only(result: RunResult) -> bool:
    return _p99(result, "sqs") > 2 * _p99(result, "pubsub") > 0 and any(
        criterion.passed is False and criterion.name.endswith("SQS") for criterion in result.criteria
    )


def _with_machine(found: Saturation, result: RunResult) -> Saturation:
    if result.machine_cpu is None or result.machine_cpu < _MACHINE_FULL:
        return found
    named = {name: share for name, share in result.cpu.items() if share}
    most = max(named, key=lambda name: named[name], default="")
    of_it = f", most of it by {most} ({named[most]:.0%} of one)" if most else ""
    return Saturation(
        found.part, f"{found.evidence}. All of the machine's CPUs were {result.machine_cpu:.0%} busy{of_it}"
    )
