"""What the processes of a load test tell each other: counts and latencies per second of the test, as JSON lines."""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadtests.shared.latency_buckets import bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

PerSecond = dict[int, Counter[int]]


@dataclass(frozen=True)
class Tick:
    """What is new: latencies as stage → second → bucket → count, counts as name → second → number.

    A second is that of the schedule at which the write was due, so a late event counts where it belongs.
    """

    latencies: Mapping[str, PerSecond]
    counts: Mapping[str, Counter[int]]

    def encoded(self) -> dict[str, Any]:
        return {"latencies": self.latencies, "counts": self.counts}

    @classmethod
    def decoded(cls, document: Mapping[str, Any]) -> Tick:
        latencies = {
            stage: {int(second): _whole(found) for second, found in seconds.items()}
            for stage, seconds in document["latencies"].items()
        }
        return cls(latencies, {name: _whole(found) for name, found in document["counts"].items()})


def _whole(found: Mapping[str, int]) -> Counter[int]:
    return Counter({int(key): value for key, value in found.items()})


class Recorder:
    """Collects latencies and counts until they are taken; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._latencies: dict[str, PerSecond] = defaultdict(lambda: defaultdict(Counter))
        self._counts: dict[str, Counter[int]] = defaultdict(Counter)

    def latency(self, stage: str, second: int, ms: float, times: int = 1) -> None:
        with self._lock:
            self._latencies[stage][second][bucket(ms)] += times

    def latencies(self, second: int, ms_by_stage: Mapping[str, float]) -> None:
        """Note several of one event in one step."""
        with self._lock:
            for stage, ms in ms_by_stage.items():
                self._latencies[stage][second][bucket(ms)] += 1

    def count(self, name: str, second: int, number: int = 1) -> None:
        with self._lock:
            self._counts[name][second] += number

    def take(self) -> Tick:
        with self._lock:
            tick = Tick(self._latencies, self._counts)
            self._clear()
        return tick


@dataclass
class Timeline:
    """All ticks of a run together."""

    latencies: dict[str, PerSecond] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Counter)))
    counts: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, tick: Tick) -> None:
        for stage, seconds in tick.latencies.items():
            for second, found in seconds.items():
                self.latencies[stage][second].update(found)
        for name, numbers in tick.counts.items():
            self.counts[name].update(numbers)

    def stage(self, name: str, first_second: int = 0, before_second: float = float("inf")) -> Counter[int]:
        total: Counter[int] = Counter()
        for second, found in self.latencies.get(name, {}).items():
            if first_second <= second < before_second:
                total.update(found)
        return total

    def total(self, name: str, first_second: int = 0) -> int:
        return sum(number for second, number in self.counts.get(name, {}).items() if second >= first_second)


def line(document: Mapping[str, Any]) -> bytes:
    """A document as one line."""
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
