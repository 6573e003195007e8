"""Latencies in buckets 1 % wide: exact enough to judge by, small enough to keep for every second of a soak."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SMALLEST_MS = 0.01
_WIDTH = 1.01
_LOG_WIDTH = math.log(_WIDTH)


def bucket(ms: float) -> int:
    """The number of the bucket that holds a latency; a negative one (two clocks disagree) counts as the smallest."""
    return 0 if ms <= _SMALLEST_MS else math.ceil(math.log(ms / _SMALLEST_MS) / _LOG_WIDTH - 1e-9)


def upper_ms(number: int) -> float:
    """The largest latency of a bucket, in milliseconds."""
    return _SMALLEST_MS * _WIDTH**number


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """The latency in milliseconds that `share` (0..1) of the counted ones did not exceed; None without any."""
    wanted, seen = share * sum(counts.values()), 0
    for number in sorted(counts):
        seen += counts[number]
        if seen >= wanted:
            return upper_ms(number)
    return None


def histogram(counts: Mapping[int, int], buckets_per_decade: int = 20) -> list[tuple[float, int]]:
    """The counts in wider buckets for people to look at: upper bound in milliseconds and count, without gaps."""
    wide: Counter[int] = Counter()
    for number, found in counts.items():
        wide[math.ceil(math.log10(upper_ms(number)) * buckets_per_decade - 1e-9)] += found
    if not wide:
        return []
    return [(10 ** (n / buckets_per_decade), wide[n]) for n in range(min(wide), max(wide) + 1)]
