"""Values that move without an event reach the cache in time, hot entries are there when rtp starts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import redis

from core.cache.readers import cache_options, cache_reader
from core.cache.refresh import PAGE, CacheRefresh, Compared
from core.cache.warm import Warmed, warm
from core.errors import ServiceUnavailable
from core.processor.build import build_pipeline
from core.settings.models import Settings, postgres_dsn
from core.sinks.redis import RedisSink
from rtp_client import CacheReader, Entry
from rtp_client.cache.counts import RANKING_SECONDS
from rtp_client.cache.loading import Owner
from rtp_client.cache.lookup import samples_query
from rtp_client.cache.source import DatabaseSource
from rtp_client.cache.table import Table
from rtp_client.errors import TableRefused
from rtp_client.keys import CACHE_REFRESHED, cache_key, cache_ranking
from tests.eventually import eventually
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from core.stack import EmbeddedStack
    from rtp_client.cache.loading import TableRow

LIDO = cache_key("tvl", "ethereum", "lido")


def refresh_of(settings: Settings, source: type[DatabaseSource] = DatabaseSource) -> CacheRefresh:
    asked = source(postgres_dsn(settings), cache_options(settings))
    return CacheRefresh(settings.redis.url or "", asked, timeout_seconds=settings.redis.timeout_seconds)


@pytest.fixture
def refresh(settings: Settings) -> Iterator[CacheRefresh]:
    with closing(refresh_of(settings)) as made:
        yield made


@pytest.fixture
def reader(settings: Settings) -> Iterator[CacheReader]:
    with cache_reader(settings, is_counted=False, timeout_seconds=10) as made:
        yield made


def entry(reader: CacheReader, entity: str = "lido") -> Entry:
    found = reader.get("tvl", "ethereum", entity)
    assert found is not None
    return found


def insert(writer: psycopg.Connection, tvl: str, entity: str = "lido") -> None:
    writer.execute(
        "INSERT INTO tvl VALUES ('ethereum', %s, %s, 'llama') ON CONFLICT (chain, protocol) DO UPDATE "
        "SET tvl_usd = excluded.tvl_usd",
        [entity, tvl],
    )


# Refreshing


def test_a_value_that_moved_without_an_event_reaches_the_cache(
    writer: psycopg.Connection, sink: RedisSink, refresh: CacheRefresh, reader: CacheReader
) -> None:
    sink.deliver([make_event(7)])
    insert(writer, "102.51")
    assert refresh.compare("tvl") == Compared(1, 1)
    found = entry(reader)
    assert (found.value, found.sequence, found.source, found.is_stale) == ("102.51", 7, "cache", False)


def test_a_percent_sign_in_the_name_of_a_table_or_a_column_is_a_part_of_the_name(
    writer: psycopg.Connection, settings: Settings
) -> None:
    table = Table(
        "price", 'rates %s "x"', "to%ken", value="%(price)s", changed_at="at", is_history=True, aliases={"u%": "usdc"}
    )
    writer.execute(b'CREATE TABLE "rates %s ""x""" ("to%ken" text, "%(price)s" numeric, at timestamptz)')
    writer.execute(b'INSERT INTO "rates %s ""x""" VALUES (\'u%\', 1.5, now())')
    owner, times = Owner("price", "all", "usdc"), {"at": "timestamp with time zone"}
    with closing(DatabaseSource(postgres_dsn(settings), {"tables": [table]})) as source:
        assert source.rows([owner])[owner].value == "1.5"
    asked = {"chain": "all", "entity": "usdc", "limit": 9}
    [(_, value)] = writer.execute(samples_query(table, times), asked).fetchall()
    assert value == "1.5"


def test_what_has_not_moved_costs_no_write(
    writer: psycopg.Connection, sink: RedisSink, refresh: CacheRefresh, client: redis.Redis
) -> None:
    insert(writer, "102.50")
    sink.deliver([make_event(7)])
    assert refresh.compare("tvl") == Compared(1, 0)
    assert client.hkeys(LIDO) == [b"sequence", b"event"]


def test_a_value_that_has_not_moved_is_fresh_after_a_pass(
    writer: psycopg.Connection, sink: RedisSink, refresh: CacheRefresh, settings: Settings
) -> None:
    insert(writer, "102.50")
    sink.deliver([make_event(7)])
    refresh.compare("tvl")
    with cache_reader(settings, is_counted=False, timeout_seconds=10) as reader:
        assert not entry(reader).is_stale


def test_an_event_that_comes_after_the_table_was_read_stays(
    settings: Settings, writer: psycopg.Connection, sink: RedisSink, reader: CacheReader
) -> None:
    class Slow(DatabaseSource):
        def rows(self, owners: Sequence[Owner]) -> Mapping[Owner, TableRow]:
            answer = super().rows(owners)
            sink.deliver([make_event(8, current="200")])
            return answer

    sink.deliver([make_event(7)])
    insert(writer, "102.51")
    with closing(refresh_of(settings, Slow)) as refresh:
        assert refresh.compare("tvl") == Compared(1, 0)
    assert (entry(reader).value, entry(reader).sequence) == ("200", 8)


def test_the_next_event_replaces_the_refreshed_value(
    writer: psycopg.Connection, sink: RedisSink, refresh: CacheRefresh, reader: CacheReader
) -> None:
    sink.deliver([make_event(7)])
    insert(writer, "102.51")
    refresh.compare("tvl")
    sink.deliver([make_event(8, current="200")])
    assert entry(reader).value == "200"


def test_a_refresh_does_not_let_an_entry_live_longer(
    writer: psycopg.Connection, sink: RedisSink, refresh: CacheRefresh, client: redis.Redis
) -> None:
    sink.deliver([make_event(7)])
    client.expire(LIDO, 100)
    insert(writer, "102.51")
    refresh.compare("tvl")
    assert client.ttl(LIDO) <= 100


def test_a_row_that_is_gone_is_left_to_its_event(sink: RedisSink, refresh: CacheRefresh, reader: CacheReader) -> None:
    sink.deliver([make_event(7)])
    assert refresh.compare("tvl") == Compared(1, 0)
    assert entry(reader).value == "102.50"


def test_protocols_are_completed(
    writer: psycopg.Connection, sink: RedisSink, refresh: CacheRefresh, reader: CacheReader
) -> None:
    writer.execute("INSERT INTO protocols (protocol, name, audits, source) VALUES ('lido', 'Lido', 2, 'llama')")
    fields = '{"name": {"previous": null, "current": "Lido"}}'
    sink.deliver([make_event(7, kind="protocol", watch="protocols", chain="all", reason="changed", fields=fields)])
    assert refresh.compare("protocol") == Compared(1, 1)
    found = reader.get("protocol", "all", "lido")
    assert found is not None
    assert ((found.fields or {})["audits"], found.source) == (2, "cache")


def test_all_pages_are_compared(
    writer: psycopg.Connection, sink: RedisSink, refresh: CacheRefresh, client: redis.Redis
) -> None:
    many = 2 * PAGE + 1
    sink.deliver([make_event(number, f"p{number}") for number in range(1, many + 1)])
    writer.execute("INSERT INTO tvl SELECT 'ethereum', 'p' || g, 5, 'x' FROM generate_series(1, %s) AS g", [many])
    done = refresh.compare("tvl")
    assert done is not None
    assert done.refreshed == many


def test_a_pass_that_is_cut_short_does_not_count(sink: RedisSink, refresh: CacheRefresh, client: redis.Redis) -> None:
    sink.deliver([make_event(7)])
    assert refresh.compare("tvl", may_go_on=lambda: False) is None
    assert client.exists(CACHE_REFRESHED) == 0


def test_what_others_put_under_such_names_is_passed_over(refresh: CacheRefresh, client: redis.Redis) -> None:
    client.set("rtp:cache:tvl:ethereum:text", "not a hash")
    client.hset("rtp:cache:tvl:too:many:parts", "sequence", "1")
    client.hset(b"rtp:cache:tvl:ethereum:\xff", "sequence", "1")
    client.hset("rtp:cache:tvl:ethereum:claimed", "claim", "1")
    client.hset("rtp:cache:tvl:ethereum:unknown", "as_of", "-")
    done = refresh.compare("tvl")
    assert done is not None
    assert done.refreshed == 0


def test_a_pass_without_redis_raises(refresh: CacheRefresh, stack: EmbeddedStack) -> None:
    stack.redis.kill()
    try:
        with pytest.raises(ServiceUnavailable, match="Redis at"):
            refresh.compare("tvl")
    finally:
        stack.redis.start()


def keeping_fresh(settings: Settings, **max_staleness: str) -> Settings:
    """With these kinds kept fresh, and no other one."""
    written = settings.own_document()
    written["redis"]["cache"]["max_staleness"] = {"tvl": "0s", "price": "0s", "protocol": "0s"} | max_staleness
    return Settings.model_validate(written)


def test_a_running_rtp_keeps_values_within_their_bound(
    settings: Settings, writer: psycopg.Connection, client: redis.Redis
) -> None:
    quick = keeping_fresh(settings, tvl="2s")
    insert(writer, "100")
    pipeline = build_pipeline(quick, on_problem=lambda _: None)
    pipeline.start()
    try:
        with cache_reader(quick, timeout_seconds=10) as reader:
            entry(reader)
            for step in range(1, 4):
                insert(writer, f"100.{step}")  # below the threshold of 1 %
                eventually(lambda step=step: entry(reader).value == f"100.{step}", within_seconds=30)  # type: ignore[misc]
            eventually(lambda: client.hexists(CACHE_REFRESHED, "tvl"), within_seconds=30)
            assert client.hexists(CACHE_REFRESHED, "price") == 0
    finally:
        assert pipeline.stop()


def test_a_table_that_cannot_be_read_keeps_no_other_kind_from_being_fresh(
    settings: Settings, writer: psycopg.Connection, client: redis.Redis
) -> None:
    quick = keeping_fresh(settings, tvl="2s", price="2s")
    insert(writer, "100")
    writer.execute("INSERT INTO prices (chain, token, price_usd, source) VALUES ('base', 'weth', 100, 'x')")
    told: list[str] = []
    with cache_reader(quick, timeout_seconds=10) as reader:
        entry(reader)
        reader.get("price", "base", "weth")
    writer.execute("ALTER TABLE tvl RENAME TO former")
    pipeline = build_pipeline(quick, on_problem=lambda problem: told.append(str(problem)))
    pipeline.start()
    try:
        writer.execute("UPDATE prices SET price_usd = 100.01")  # below the threshold
        weth = cache_key("price", "base", "weth")
        eventually(lambda: client.hget(weth, "current") == b"100.01", within_seconds=30)
        eventually(
            lambda: any("was not refreshed" in line and "table public.tvl" in line for line in told), within_seconds=30
        )
        writer.execute("ALTER TABLE former RENAME TO tvl")
        eventually(lambda: "the cache is kept fresh again" in told, within_seconds=30)
    finally:
        assert pipeline.stop()


def test_warming_leaves_out_a_kind_whose_table_cannot_be_read(
    writer: psycopg.Connection, reader: CacheReader, client: redis.Redis
) -> None:
    insert(writer, "5")
    writer.execute("INSERT INTO prices (chain, token, price_usd, source) VALUES ('base', 'dai', 100, 'x')")
    writer.execute("ALTER TABLE tvl RENAME TO former")
    with pytest.raises(TableRefused, match=r"table public\.tvl"):
        warm(reader, 10, kinds=["tvl", "price"])
    assert client.exists(cache_key("price", "base", "dai"))


def test_refreshing_and_delivering_may_race(
    settings: Settings, writer: psycopg.Connection, sink: RedisSink, refresh: CacheRefresh, client: redis.Redis
) -> None:
    """After an event was delivered, nobody reads a value from before it, however refreshes fall in between."""
    stop = threading.Event()
    insert(writer, "1")

    def compare() -> None:
        while not stop.is_set():
            refresh.compare("tvl")

    thread = threading.Thread(target=compare)
    thread.start()
    faults = []
    with cache_reader(settings, is_counted=False, timeout_seconds=10) as reader:
        for number in range(2, 400):
            insert(writer, str(number))
            sink.deliver([make_event(number, current=str(number))])
            for _ in range(3):
                found = entry(reader)
                if int(found.value or 0) < number or found.sequence < number:
                    faults.append((number, found.value, found.sequence))
    stop.set()
    thread.join()
    assert faults == []


# Warming


def test_warming_fills_what_was_reported_last(
    writer: psycopg.Connection, reader: CacheReader, client: redis.Redis
) -> None:
    writer.execute("INSERT INTO tvl SELECT 'ethereum', 'p' || g, 5, 'x' FROM generate_series(1, 500) AS g")
    assert warm(reader, 300, kinds=["tvl"]) == Warmed(300, 300)
    assert len(list(client.scan_iter("rtp:cache:tvl:*"))) == 300


def test_warming_begins_with_what_is_read_most(
    settings: Settings, writer: psycopg.Connection, reader: CacheReader, client: redis.Redis
) -> None:
    writer.execute("INSERT INTO tvl SELECT 'ethereum', 'p' || g, 5, 'x' FROM generate_series(1, 50) AS g")
    with cache_reader(settings, timeout_seconds=10) as counted:
        for _ in range(3):
            entry(counted, "p17")
    client.delete(cache_key("tvl", "ethereum", "p17"))
    assert warm(reader, 1, kinds=["tvl"]) == Warmed(1, 1)
    assert client.exists(cache_key("tvl", "ethereum", "p17"))


def note_foreign_keys_as_hot(client: redis.Redis) -> None:
    ranking = cache_ranking("hot", int(time.time()) // RANKING_SECONDS)
    client.zadd(ranking, {b"rtp:cache:TVL:ethereum:lido": 9, b"rtp:cache:tvl": 8, b"rtp:cache:tvl:\xff:lido": 7})


def test_warming_passes_over_what_is_no_entrys_name(reader: CacheReader, client: redis.Redis) -> None:
    note_foreign_keys_as_hot(client)
    assert warm(reader, 10, kinds=["tvl"]).filled == 0


def test_rtp_goes_on_where_others_names_are_read_most(
    settings: Settings, writer: psycopg.Connection, client: redis.Redis
) -> None:
    insert(writer, "5")
    note_foreign_keys_as_hot(client)
    pipeline = build_pipeline(settings, on_problem=lambda _: None)
    pipeline.start()
    try:
        eventually(lambda: client.hget(LIDO, "current") == b"5", within_seconds=30)
    finally:
        assert pipeline.stop()


def test_warming_leaves_what_is_there(writer: psycopg.Connection, sink: RedisSink, reader: CacheReader) -> None:
    insert(writer, "5")
    sink.deliver([make_event(7)])
    assert warm(reader, 10, kinds=["tvl"]) == Warmed(1, 0)
    assert entry(reader).sequence == 7


def test_warming_ends_when_it_is_told_to(writer: psycopg.Connection, reader: CacheReader) -> None:
    writer.execute("INSERT INTO tvl SELECT 'ethereum', 'p' || g, 5, 'x' FROM generate_series(1, 500) AS g")
    assert warm(reader, 500, kinds=["tvl"], may_go_on=lambda: False) == Warmed(200, 200)


def test_rtp_warms_the_cache_when_it_starts(
    settings: Settings, writer: psycopg.Connection, client: redis.Redis
) -> None:
    insert(writer, "5")
    pipeline = build_pipeline(settings, on_problem=lambda _: None)
    pipeline.start()
    try:
        eventually(lambda: client.hget(LIDO, "current") == b"5", within_seconds=30)
    finally:
        assert pipeline.stop()


def test_rtp_goes_on_where_redis_is_away_at_first(
    settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, client: redis.Redis
) -> None:
    insert(writer, "5")
    pipeline = build_pipeline(settings, on_problem=lambda _: None)
    stack.redis.kill()
    try:
        pipeline.start()
        time.sleep(0.3)  # so that it finds Redis gone; either way the rest must hold
    finally:
        stack.redis.start()
    try:
        eventually(lambda: client.hget(LIDO, "current") == b"5", within_seconds=60)
    finally:
        assert pipeline.stop()
