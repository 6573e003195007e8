"""Latencies, counted in buckets that grow by the same factor, so that little memory tells any percentile."""

from __future__ import annotations

import math
import threading
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_BUCKETS_PER_DECADE = 40
_SMALLEST_SECONDS = 1e-5
_LARGEST_SECONDS = 1e4
_BOUNDS = tuple(
    _SMALLEST_SECONDS * 10 ** (step / _BUCKETS_PER_DECADE)
    for step in range(int(_BUCKETS_PER_DECADE * math.log10(_LARGEST_SECONDS / _SMALLEST_SECONDS)) + 1)
)
_UPPER_BOUNDS = (*_BOUNDS, math.inf)

# For readers that want few bounds: 0.1 ms to 100 s, about 1, 2 and 5 of each decade, and exactly all powers of ten.
BUCKET_BOUNDS = tuple(_BOUNDS[40 * decade + step] for decade in range(1, 7) for step in (0, 12, 28)) + _BOUNDS[280:281]


@dataclass(frozen=True)
class Latencies:
    """Counted latencies at one moment; the difference of two moments is an interval's."""

    counts: tuple[int, ...]
    max: float
    sum: float = 0.0

    @property
    def total(self) -> int:
        """How many latencies were counted."""
        return sum(self.counts)

    def percentile(self, share: float) -> float | None:
        """The latency in seconds that `share` (0..1) of them did not exceed; None without any."""
        total = self.total
        if not total:
            return None
        wanted, seen = share * total, 0
        for bound, count in zip(_BOUNDS, self.counts, strict=False):
            seen += count
            if seen >= wanted:
                return min(bound, self.max)
        return self.max

    def by_upper_bound_ms(self) -> dict[str, int]:
        """How many fell into each bucket that is not empty, by its upper bound in milliseconds."""
        bounds = (*_BOUNDS, max(self.max, _LARGEST_SECONDS))
        return {f"{bound * 1000:.4g}": count for bound, count in zip(bounds, self.counts, strict=True) if count}

    def at_most(self, seconds: float) -> int:
        """How many did not exceed `seconds`, which must be one of the buckets' bounds."""
        return sum(self.counts[: bisect_left(_BOUNDS, seconds) + 1])

    def since(self, earlier: Latencies) -> Latencies:
        """What was counted after `earlier`; the maximum stays that of the whole."""
        counts = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        return Latencies(counts, self.max, self.sum - earlier.sum)


class Histogram:
    """Latencies in seconds, in buckets 6 % wide from 10 us to 10,000 s; memory does not grow with the count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = [0] * (len(_BOUNDS) + 1)
        self._max = 0.0
        self._sum = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count a latency, once or several times; a negative one (two clocks disagree) counts as the smallest."""
        with self._lock:
            self._counts[bisect_left(_BOUNDS, seconds)] += times
            self._max = max(self._max, seconds)
            self._sum += max(0.0, seconds) * times

    def observe_all(self, seconds: Sequence[float]) -> None:
        """Count each of them once."""
        if not seconds:
            return
        ordered = sorted(seconds)
        total = sum(ordered[bisect_left(ordered, 0.0) :])
        with self._lock:
            start = 0
            while start < len(ordered):  # those read or delivered together fall into a few buckets
                bucket = bisect_left(_BOUNDS, ordered[start])
                end = bisect_right(ordered, _UPPER_BOUNDS[bucket], start)
                self._counts[bucket] += end - start
                start = end
            self._max = max(self._max, ordered[-1])
            self._sum += total

    def latencies(self) -> Latencies:
        """What has been counted so far."""
        with self._lock:
            return Latencies(tuple(self._counts), self._max, self._sum)
