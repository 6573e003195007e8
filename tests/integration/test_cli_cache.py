"""`rtp cache`: what it shows, fills and removes; and what `rtp validate` says about Redis's memory."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from core.cache.readers import cache_reader
from core.settings.models import Settings
from core.sinks.redis import RedisSink
from rtp_client.cache.counts import RANKING_SECONDS
from rtp_client.keys import cache_ranking
from tests.command import Command, Done
from tests.eventually import eventually
from tests.rtp_process import environ_of, rtp
from tests.samples import make_event

if TYPE_CHECKING:
    from core.stack import EmbeddedStack


@pytest.fixture
def cache(command: Command, settings: Settings) -> Callable[..., Done]:
    """Runs `rtp cache` against the test's services."""
    return lambda *arguments: command("cache", *arguments, environ=environ_of(settings))


@pytest.fixture
def delivered(settings: Settings, client: redis.Redis) -> None:
    """lido and aave are in the cache."""
    with closing(RedisSink(settings.redis, url=settings.redis.url or "", poll_interval_seconds=0.001)) as sink:
        sink.deliver([make_event(7), make_event(8, "aave")])


@pytest.fixture
def read(settings: Settings, delivered: None) -> None:
    """lido was read four times, aave once, and another one is unknown."""
    with cache_reader(settings, timeout_seconds=10) as reader:
        for name in ("lido", "lido", "lido", "lido", "aave", "nobody"):
            reader.get("tvl", "ethereum", name)


# get


@pytest.mark.usefixtures("delivered")
def test_get_shows_an_entry(cache: Callable[..., Done]) -> None:
    done = cache("get", "--kind", "tvl", "--chain", "ethereum", "--protocol", "lido")
    assert (done.code, "102.50" in done.out, "deviation, 2.5 %" in done.out) == (0, True, True)


@pytest.mark.usefixtures("delivered")
def test_get_prints_json(cache: Callable[..., Done]) -> None:
    done = cache("get", "--kind", "TVL", "--chain", "ethereum", "--protocol", "lido", "--json")
    assert (done.document["value"], done.document["sequence"], done.document["source"]) == ("102.50", 7, "cache")


def test_get_reads_through(cache: Callable[..., Done], writer: psycopg.Connection) -> None:
    writer.execute("INSERT INTO protocols (protocol, name, source) VALUES ('lido', 'Lido', 'llama')")
    done = cache("get", "--kind", "protocol", "--protocol", "lido", "--json")
    assert (done.document["fields"]["name"], done.document["source"]) == ("Lido", "database")


def test_an_unknown_entity_is_one_clear_line(cache: Callable[..., Done]) -> None:
    done = cache("get", "--kind", "tvl", "--protocol", "nobody")
    assert (done.code, done.err.count("\n"), "neither the cache nor the table knows" in done.err) == (2, 1, True)


@pytest.mark.parametrize("words", [("get", "--kind", "tvl", "--protocol", "lido"), ("warm", "--kind", "tvl")])
def test_a_column_that_is_gone_is_named_with_its_table(
    cache: Callable[..., Done], writer: psycopg.Connection, words: tuple[str, ...]
) -> None:
    writer.execute("INSERT INTO tvl (chain, protocol, tvl_usd, source) VALUES ('all', 'lido', 1, 'x')")
    writer.execute("ALTER TABLE tvl DROP COLUMN tvl_usd")
    done = cache(*words)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.endswith(" refuses: table public.tvl, which tvl is read from: it has no column tvl_usd\n")


def test_a_wrong_kind_is_one_clear_line(cache: Callable[..., Done]) -> None:
    done = cache("get", "--kind", "volume", "--protocol", "lido")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith("option --kind: must be one of tvl, price, protocol, not 'volume'. ")


# stats


@pytest.mark.usefixtures("read")
def test_stats_count_hits_and_misses(cache: Callable[..., Done]) -> None:
    tvl = cache("stats", "--json").document["kinds"][0]
    total = {"hits": 5, "local": 0, "misses": 1, "fallbacks": 0, "hit_ratio": 5 / 6}
    assert (tvl["kind"], tvl["keys"], tvl["reads"]) == ("tvl", 3, {"total": total, "1m": total, "15m": total})


@pytest.mark.usefixtures("read")
def test_stats_name_what_is_read_and_missed_most(cache: Callable[..., Done]) -> None:
    document = cache("stats", "--json", "--top", "1").document
    hottest, missed = document["hottest"], document["most_missed"]
    assert hottest == [{"key": "rtp:cache:tvl:ethereum:lido", "count": 4}]
    assert missed == [{"key": "rtp:cache:tvl:ethereum:nobody", "count": 1}]


@pytest.mark.usefixtures("read")
def test_stats_tell_memory_and_lifetimes(cache: Callable[..., Done]) -> None:
    tvl = cache("stats", "--json").document["kinds"][0]
    assert 500 < tvl["memory_bytes"] < 10_000
    assert tvl["lifetimes"] == {"1m": 0.333, "1h": 0.667}


@pytest.mark.usefixtures("read")
def test_stats_are_a_table_for_people(cache: Callable[..., Done]) -> None:
    done = cache("stats")
    assert [text for text in ("83.33%", "tvl ethereum/lido", "Counted since") if text not in done.out] == []


def test_stats_show_what_is_no_entrys_name_as_it_is(cache: Callable[..., Done], client: redis.Redis) -> None:
    client.zadd(cache_ranking("hot", int(time.time()) // RANKING_SECONDS), {"rtp:cache:TVL:ethereum:lido": 9})
    done = cache("stats")
    assert (done.code, "rtp:cache:TVL:ethereum:lido" in done.out) == (0, True)


def test_stats_of_a_cache_that_nobody_has_read(cache: Callable[..., Done]) -> None:
    done = cache("stats")
    assert (done.code, "Nothing read yet." in done.out) == (0, True)


def test_stats_can_be_watched(settings: Settings, client: redis.Redis) -> None:
    with rtp("cache", "stats", "--json", "--every", "100ms", environ=environ_of(settings)) as process:
        eventually(lambda: len(process.documents) >= 3)
        assert len(process.documents[0]["kinds"]) == 3
        assert (process.end(signal.SIGINT), process.err) == (0, "")


def test_without_redis_stats_say_so(cache: Callable[..., Done], stack: EmbeddedStack) -> None:
    stack.redis.kill()
    try:
        done = cache("stats")
    finally:
        stack.redis.start()
    assert (done.code, "Redis at" in done.err) == (2, True)


# warm and clear


def test_warm_fills_entries(cache: Callable[..., Done], writer: psycopg.Connection, client: redis.Redis) -> None:
    writer.execute("INSERT INTO tvl SELECT 'ethereum', 'p' || g, 5, 'x' FROM generate_series(1, 30) AS g")
    assert cache("warm", "--json").document == {"entities": 30, "filled": 30}
    assert cache("warm").out == "30 entities looked at, 0 entries filled.\n"


@pytest.mark.usefixtures("delivered")
def test_clear_removes_a_kind(cache: Callable[..., Done], client: redis.Redis) -> None:
    client.hset("rtp:cache:price:ethereum:usdc", "sequence", "1")
    assert cache("clear", "--kind", "tvl", "--json").document == {"removed": 2}
    assert list(client.scan_iter("rtp:cache:*")) == [b"rtp:cache:price:ethereum:usdc"]


@pytest.mark.usefixtures("delivered")
def test_clear_removes_all_and_nothing_else(cache: Callable[..., Done], client: redis.Redis) -> None:
    assert cache("clear", "--all").out == "2 entries removed.\n"
    assert client.exists("rtp:stream")


def test_clear_wants_to_know_what(cache: Callable[..., Done]) -> None:
    done = cache("clear")
    assert (done.code, done.err.count("\n")) == (2, 1)


# validate


@pytest.fixture
def configured(stack: EmbeddedStack, redis_url: str) -> Iterator[Callable[..., None]]:
    """Sets Redis's memory limit and policy, and takes both back."""
    with redis.Redis.from_url(redis_url) as admin:

        def configure(limit: str, policy: str) -> None:
            admin.config_set("maxmemory", limit)
            admin.config_set("maxmemory-policy", policy)

        yield configure
        configure("0", "noeviction")


@pytest.mark.parametrize(
    ("limit", "policy", "warned"),
    [
        ("1gb", "noeviction", ["is noeviction"]),
        ("1gb", "allkeys-lru", ["is allkeys-lru"]),
        ("1gb", "volatile-random", ["is volatile-random"]),
        ("1gb", "volatile-lfu", []),
        ("50mb", "volatile-lfu", ["maxmemory is 52 MB, and the stream alone"]),
        ("0", "noeviction", []),
    ],
)
def test_validate_warns_of_a_redis_that_would_lose_or_refuse(
    validate: Callable[..., Done],
    configured: Callable[..., None],
    limit: str,
    policy: str,
    warned: list[str],
) -> None:
    configured(limit, policy)
    warnings = [line for line in json.loads(validate("--json").out)["warnings"] if "Redis at" in line]
    assert len(warnings) == len(warned)
    assert all(text in line for text, line in zip(warned, warnings, strict=True))
