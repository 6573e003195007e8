"""Speed: one reader, beside redis-py's GET and MGET of strings of the same size, in turns."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from core.cache.readers import cache_reader
from loadtests.benchmarks.percentiles import percentile
from rtp_client.keys import cache_key
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.settings.models import Settings

_MANY = 100


def measure_speed(settings: Settings, entities: int, rounds: int = 40) -> dict[str, Any]:
    """In turns, so that a noisy machine disturbs both alike; the median round of each."""
    names = [f"p{number}" for number in range(entities)]
    with redis_client(settings.redis.url or "") as client, cache_reader(settings) as reader:
        reader.get_many("tvl", [("bench", name) for name in names])
        for name in names:
            event = client.hget(cache_key("tvl", "bench", name), "event") or b"x" * 900
            client.set(f"bench:{name}", event, ex=300)
            client.expire(cache_key("tvl", "bench", name), 300)
        chance = random.Random(3)

        def one() -> str:
            return names[chance.randrange(entities)]

        def many() -> list[str]:
            return [names[(start + step) % entities] for start in [chance.randrange(entities)] for step in range(_MANY)]

        def mget(some: Sequence[str]) -> None:
            client.mget([f"bench:{name}" for name in some])

        def get(name: str) -> None:
            client.get(f"bench:{name}")

        bare = _race(rounds, 200, one, get, lambda name: reader.get("tvl", "bench", name))
        batch = _race(rounds, 20, many, mget, lambda some: reader.get_many("tvl", [("bench", name) for name in some]))
        client.delete(*(f"bench:{name}" for name in names))
    return _compared("get", "GET", bare, 1) | _compared("get_many", "MGET", batch, _MANY) | _counting(bare[1])


def _race(
    rounds: int, calls: int, choose: Callable[[], Any], *contenders: Callable[[Any], object]
) -> list[list[float]]:
    """The seconds that each call of each contender took."""
    taken: list[list[float]] = [[] for _ in contenders]
    for _ in range(rounds):
        asked = [choose() for _ in range(calls)]
        for contender, seconds in zip(contenders, taken, strict=True):
            for one in asked:
                started = time.perf_counter()
                contender(one)
                seconds.append(time.perf_counter() - started)
    return taken


def _compared(name: str, bare_name: str, taken: Sequence[list[float]], entries: int) -> dict[str, Any]:
    bare, own = (sorted(seconds) for seconds in taken)
    figures: dict[str, Any] = {}
    for title, seconds in ((bare_name, bare), (name, own)):
        figures[f"{title}_entries_per_second"] = round(entries / _at(seconds, 0.5))
        figures[f"{title}_p99_ms"] = round(_at(seconds, 0.99) * 1000, 3)
    figures[f"{name}_time_beside_{bare_name}"] = round(_at(own, 0.5) / _at(bare, 0.5), 2)
    figures[f"{name}_p99_beside_{bare_name}"] = round(_at(own, 0.99) / _at(bare, 0.99), 2)
    return figures


def _counting(reads: Sequence[float], calls: int = 100_000) -> dict[str, float]:
    """What counting a read costs: the append, and the reader's share of the flush."""
    from rtp_client.cache.counts import Counts, commands  # noqa: PLC0415  (only this needs the inside)

    counts = Counts()
    key = cache_key("tvl", "bench", "p1")
    started = time.perf_counter()
    for _ in range(calls):
        counts.hits.append((key,))
    commands(counts.take(), time.time())
    share = (time.perf_counter() - started) / calls / _at(sorted(reads), 0.5)
    return {"counting_percent_of_get": round(share * 100, 2)}


def _at(ordered: Sequence[float], share: float) -> float:
    value = percentile(ordered, share)
    assert value is not None
    return value
