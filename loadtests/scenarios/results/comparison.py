"""Two runs side by side: what got better and what worse, as ratios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loadtests.scenarios.results.stages import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadtests.scenarios.results.result import RunResult

# Below this a difference is noise on most machines.
_NOISE = 0.1
Verdict = Literal["better", "worse", "same"]


@dataclass(frozen=True)
class Difference:
    """One figure before and after; `ratio` is after divided by before."""

    name: str
    before: float
    after: float
    ratio: float | None
    verdict: Verdict


def compare(before: RunResult, after: RunResult) -> list[Difference]:
    """The figures that both runs have."""
    return [
        *_latencies(before, after),
        _difference("throughput, events/s", before.throughput or 0, after.throughput or 0, is_more_better=True),
        _difference("cache hit ratio, %", _hit_percent(before), _hit_percent(after), is_more_better=True),
        _difference("events lost", _lost(before), _lost(after)),
        *_cpu(before, after),
    ]


def caveats(before: RunResult, after: RunResult) -> list[str]:
    """Why the two may not be comparable; a line each."""
    found = [
        f"{name}: {old} before, {new} after"
        for name, old, new in (
            ("scenario", before.scenario, after.scenario),
            ("rate", before.rate, after.rate),
            ("duration in seconds", before.seconds, after.seconds),
            ("target", before.target, after.target),
        )
        if old != new
    ]
    names = sorted((before.machine.keys() | after.machine.keys()) - {"load before"})
    pairs = [(name, before.machine.get(name, "–"), after.machine.get(name, "–")) for name in names]
    return found + [f"{name}: {old} before, {new} after" for name, old, new in pairs if old != new]


def _latencies(before: RunResult, after: RunResult) -> Iterator[Difference]:
    for stage, name in STAGES.items():
        old, new = before.latency_ms.get(stage), after.latency_ms.get(stage)
        if old and new:
            yield _difference(f"{name}, p50 ms", old.p50, new.p50)
            yield _difference(f"{name}, p99 ms", old.p99, new.p99)


def _cpu(before: RunResult, after: RunResult) -> Iterator[Difference]:
    for name in sorted(before.cpu.keys() & after.cpu.keys()):
        yield _difference(f"CPU of {name}, %", before.cpu[name] * 100, after.cpu[name] * 100)


def _difference(name: str, before: float, after: float, *, is_more_better: bool = False) -> Difference:
    if before == after:
        return Difference(name, before, after, 1.0, "same")
    ratio = after / before if before else None
    if ratio is not None and abs(ratio - 1) < _NOISE:
        return Difference(name, before, after, ratio, "same")
    return Difference(name, before, after, ratio, "better" if (after > before) == is_more_better else "worse")


def _hit_percent(result: RunResult) -> float:
    reads = result.cache_hits + result.cache_misses
    return result.cache_hits / reads * 100 if reads else 0.0


def _lost(result: RunResult) -> float:
    return float(sum(one.lost for one in result.received.values()))
