"""Counting reads: a read appends its keys, and nothing else; once a second they are counted and sent to Redis.

Kept there: hits and misses per kind in buckets of 10 s and in total, and the keys read and missed most per minute.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from rtp_client.cache.lifetime import spread
from rtp_client.keys import CACHE_TOTAL, cache_counts, cache_ranking

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

BUCKET_SECONDS = 10
RANKING_SECONDS = 60
KEPT_SECONDS = 1000  # the last 15 minutes, and the bucket that is being filled
FLUSH_SECONDS = 1.0
_RANKED = 200  # of one flush; and ten times as many are kept per minute
_TOUCH_AFTER = 0.25  # of their lifetime
OUTCOMES = ("hits", "local", "misses", "fallbacks")

Command = tuple[str | int, ...]


@dataclass(frozen=True)
class Batch:
    """The reads since the last flush: how often each key had each outcome."""

    counts: Mapping[str, Mapping[str, int]]

    def __bool__(self) -> bool:
        return any(self.counts.values())

    def per_kind(self) -> Counter[str]:
        """How many reads of each kind had each outcome; `<kind>.<outcome>`."""
        sums: Counter[str] = Counter()
        for outcome, keys in self.counts.items():
            for key, count in keys.items():
                sums[f"{key.split(':', 3)[2]}.{outcome}"] += count
        return sums

    def most(self, *outcomes: str) -> list[tuple[str, int]]:
        """The keys that had these outcomes most often."""
        sums: Counter[str] = Counter()
        for outcome in outcomes:
            sums.update(self.counts[outcome])
        return sums.most_common(_RANKED)


class Counts:
    """What the reads of one process came to. Any thread appends; one thread takes. `is_kept=False` drops all."""

    def __init__(self, *, is_kept: bool = True) -> None:
        limit = None if is_kept else 0
        self.hits: deque[Collection[str]] = deque(maxlen=limit)
        self.local: deque[Collection[str]] = deque(maxlen=limit)
        self.misses: deque[Collection[str]] = deque(maxlen=limit)
        self.fallbacks: deque[Collection[str]] = deque(maxlen=limit)
        self.totals: Counter[str] = Counter()
        self._touched: dict[str, float] = {}

    def take(self) -> Batch:
        """The reads since the last call."""
        batch = Batch({outcome: _counted(getattr(self, outcome)) for outcome in OUTCOMES})
        self.totals.update(batch.per_kind())
        return batch

    def to_touch(self, batch: Batch, ttl_ms: Callable[[str], int]) -> list[tuple[str, int]]:
        """The hot keys whose life should be longer, and their time to live; each now and then only."""
        now = time.monotonic()
        self._touched = {key: until for key, until in self._touched.items() if until > now}
        due = []
        for key, count in batch.most("hits", "local"):
            if count < 2:
                break
            if key not in self._touched:
                lifetime_ms = ttl_ms(key.split(":", 3)[2])
                self._touched[key] = now + lifetime_ms / 1000 * _TOUCH_AFTER
                due.append((key, spread(lifetime_ms, key)))
        return due


def _counted(reads: deque[Collection[str]]) -> Counter[str]:
    """How often each key was read; what is appended meanwhile is left for the next time."""
    taken = [reads.popleft() for _ in range(len(reads))]
    return Counter(chain.from_iterable(taken))


def commands(batch: Batch, now: float) -> Sequence[Command]:
    """What adds a batch to the counts in Redis."""
    names = [cache_counts(int(now) // BUCKET_SECONDS), CACHE_TOTAL]
    made: list[Command] = [("HSETNX", CACHE_TOTAL, "since", f"{now:.3f}")]
    made += [("HINCRBY", name, what, count) for what, count in batch.per_kind().items() for name in names]
    made.append(("EXPIRE", names[0], KEPT_SECONDS))
    for what, outcomes in (("hot", ("hits", "local", "misses")), ("missed", ("misses",))):
        name = cache_ranking(what, int(now) // RANKING_SECONDS)
        if ranked := batch.most(*outcomes):
            made += [("ZINCRBY", name, count, key) for key, count in ranked]
            made += [("ZREMRANGEBYRANK", name, 0, -10 * _RANKED - 1), ("EXPIRE", name, KEPT_SECONDS)]
    return made
