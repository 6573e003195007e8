"""What the cache is worth: hit ratios, keys, memory, lifetimes, and the entries read and missed most."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rtp_client.cache.counts import BUCKET_SECONDS, OUTCOMES, RANKING_SECONDS
from rtp_client.keys import CACHE_TOTAL, cache_counts, cache_key_pattern, cache_ranking

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import redis

WINDOWS = {"1m": 60, "15m": 900}
LIFETIMES = (("1m", 60), ("10m", 600), ("1h", 3600), ("1d", 86_400))
_SAMPLE = 500


@dataclass(frozen=True)
class Reads:
    """Reads in a span of time. `local` were answered by a copy in the reader's process, `fallbacks` without Redis."""

    hits: int
    local: int
    misses: int
    fallbacks: int

    @property
    def total(self) -> int:
        return self.hits + self.local + self.misses + self.fallbacks

    @property
    def hit_ratio(self) -> float | None:
        """The share that needed no database, 0 to 1; None without any read."""
        return (self.hits + self.local) / self.total if self.total else None


@dataclass(frozen=True)
class KindStats:
    """One kind: its reads per window (`1m`, `15m`, `total`), and its entries; sizes and lifetimes are from a sample."""

    kind: str
    reads: Mapping[str, Reads]
    keys: int
    memory_bytes: int
    lifetimes: Mapping[str, float]


@dataclass(frozen=True)
class Ranked:
    """An entry's key and how often it was read or missed in the last 15 minutes."""

    key: str
    count: int


@dataclass(frozen=True)
class CacheStats:
    """All of the cache. `since` is when counting began, in seconds of Unix time; None where it has not."""

    since: float | None
    kinds: Sequence[KindStats]
    hottest: Sequence[Ranked]
    most_missed: Sequence[Ranked]


def read_stats(client: redis.Redis, kinds: Iterable[str], *, top: int = 10) -> CacheStats:
    """Read all of it. Raises redis.RedisError; goes through all keys once, in small steps."""
    total: dict[Any, Any] = client.hgetall(CACHE_TOTAL)
    counted: dict[str, Mapping[bytes, Any]] = {"total": total}
    counted |= {name: _window(client, seconds) for name, seconds in WINDOWS.items()}
    since = total.get(b"since")
    return CacheStats(
        None if since is None else float(since),
        _kinds(client, tuple(kinds), counted),
        [Ranked(*one) for one in ranked(client, "hot", top)],
        [Ranked(*one) for one in ranked(client, "missed", top)],
    )


def ranked(client: redis.Redis, what: str, limit: int) -> list[tuple[str, int]]:
    """The keys that were `hot` or `missed` most in the last 15 minutes, and how often. Raises redis.RedisError."""
    now = int(time.time()) // RANKING_SECONDS
    with client.pipeline(transaction=False) as pipe:
        for bucket in range(now - WINDOWS["15m"] // RANKING_SECONDS, now + 1):
            pipe.zrange(cache_ranking(what, bucket), 0, -1, withscores=True)
        sums: Counter[str] = Counter()
        for key, score in (one for page in pipe.execute() for one in page):
            sums[key.decode(errors="replace")] += int(score)
    return sums.most_common(limit)


def _window(client: redis.Redis, seconds: int) -> Mapping[bytes, Any]:
    """The sums of the whole buckets that the window covers, and of the one that is being filled."""
    now = int(time.time()) // BUCKET_SECONDS
    sums: Counter[bytes] = Counter()
    with client.pipeline(transaction=False) as pipe:
        for bucket in range(now - seconds // BUCKET_SECONDS, now + 1):
            pipe.hgetall(cache_counts(bucket))
        for counts in pipe.execute():
            sums.update({what: int(count) for what, count in counts.items()})
    return sums


def _reads(counts: Mapping[bytes, Any], kind: str) -> Reads:
    return Reads(*(int(counts.get(f"{kind}.{outcome}".encode(), 0)) for outcome in OUTCOMES))


def _kinds(client: redis.Redis, kinds: Sequence[str], counted: Mapping[str, Mapping[bytes, Any]]) -> list[KindStats]:
    keys: Counter[str] = Counter()
    samples: dict[str, list[bytes]] = {kind: [] for kind in kinds}
    for key in client.scan_iter(cache_key_pattern(), count=1000):
        name = key.split(b":", 3)[2].decode(errors="replace")
        keys[name] += 1
        if name in samples and len(samples[name]) < _SAMPLE:  # the order of a scan is as good as none
            samples[name].append(key)
    return [_kind(client, kind, counted, keys[kind], samples[kind]) for kind in kinds]


def _kind(
    client: redis.Redis, kind: str, counted: Mapping[str, Mapping[bytes, Any]], keys: int, sample: Sequence[bytes]
) -> KindStats:
    sizes, lifetimes = _measure(client, sample)
    return KindStats(
        kind,
        {window: _reads(counts, kind) for window, counts in counted.items()},
        keys,
        round(sum(sizes) / len(sizes) * keys) if sizes else 0,
        _shares(lifetimes),
    )


def _measure(client: redis.Redis, sample: Sequence[bytes]) -> tuple[list[int], list[int]]:
    with client.pipeline(transaction=False) as pipe:
        for key in sample:
            pipe.memory_usage(key)
            pipe.ttl(key)
        answers = pipe.execute(raise_on_error=False)  # MEMORY may not be allowed
    sizes = [size for size in answers[::2] if isinstance(size, int)]
    return sizes, [ttl for ttl in answers[1::2] if isinstance(ttl, int)]


def _shares(lifetimes: Iterable[int]) -> dict[str, float]:
    """The share of entries that have at most so long to live; each counted once, `more` beyond the last."""
    counts: Counter[str] = Counter()
    for ttl in lifetimes:
        if ttl != -2:  # gone meanwhile
            counts[next((name for name, limit in LIFETIMES if 0 <= ttl <= limit), "more")] += 1
    total = sum(counts.values())
    return {name: round(counts[name] / total, 3) for name in (*dict(LIFETIMES), "more") if counts[name]}
