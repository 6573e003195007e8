"""The cache as services read it: newest value and event, read through on a miss, and what a race cannot break."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from redis.connection import CacheProxyConnection

from core.cache.readers import cache_reader
from core.errors import ServiceUnavailable, SettingsError
from core.sinks.redis import RedisSink
from rtp_client import AsyncCacheReader, CacheReader, Entry, Source
from rtp_client.cache.loading import CLAIM_MS, WAIT_SECONDS, Claim, Guarded
from rtp_client.cache.scripts import CLAIM, WRITE, claim_arguments, write_arguments
from rtp_client.keys import CACHE_REFRESHED, CACHE_TOTAL, cache_key
from tests.async_reader import async_cache_reader
from tests.effort import amount
from tests.eventually import eventually
from tests.samples import make_event

if TYPE_CHECKING:
    from core.settings.models import Settings
    from core.stack import EmbeddedStack

LIDO = ("ethereum", "lido")
# A busy machine is no reason to go without Redis here.
PATIENCE = 10
KEY = cache_key("tvl", *LIDO)


class Face:
    """One reader as tests use it: the synchronous one, or the asynchronous one in a loop of its own."""

    def __init__(self, settings: Settings, *, is_async: bool) -> None:
        self._loop = asyncio.new_event_loop() if is_async else None
        self.reader: Any = (
            self._run(self._open(settings)) if self._loop else cache_reader(settings, timeout_seconds=PATIENCE)
        )

    def get(self, kind: str, chain: str, entity: str) -> Entry | None:
        found: Entry | None = self._result(self.reader.get(kind, chain, entity))
        return found

    def get_many(self, kind: str, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], Entry | None]:
        found: dict[tuple[str, str], Entry | None] = self._result(self.reader.get_many(kind, pairs))
        return found

    def close(self) -> None:
        self._result(self.reader.close())
        if self._loop:
            self._loop.close()

    @staticmethod
    async def _open(settings: Settings) -> AsyncCacheReader:
        return await async_cache_reader(settings, timeout_seconds=PATIENCE).__aenter__()

    def _result(self, answer: Any) -> Any:
        return self._run(answer) if self._loop else answer

    def _run(self, answer: Any) -> Any:
        assert self._loop is not None
        return self._loop.run_until_complete(answer)


@pytest.fixture(params=["sync", "async"])
def face(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Face]:
    with closing(Face(settings, is_async=request.param == "async")) as made:
        yield made


@pytest.fixture
def reader(settings: Settings) -> Iterator[CacheReader]:
    with cache_reader(settings, timeout_seconds=PATIENCE) as made:
        yield made


@pytest.fixture
def lido(writer: psycopg.Connection) -> Callable[[str], None]:
    """Writes the TVL of lido."""

    def write(tvl: str) -> None:
        writer.execute(
            "INSERT INTO tvl VALUES ('ethereum', 'lido', %s, 'llama') ON CONFLICT (chain, protocol) DO UPDATE "
            "SET tvl_usd = excluded.tvl_usd",
            [tvl],
        )

    return write


def read(face: Face, kind: str = "tvl", chain: str = "ethereum", entity: str = "lido") -> Entry:
    found = face.get(kind, chain, entity)
    assert found is not None
    return found


# What is cached


def test_a_delivered_event_is_read_from_the_cache(face: Face, sink: RedisSink) -> None:
    event = make_event(7)
    sink.deliver([event])
    found = read(face)
    assert (found.value, found.sequence, found.source) == ("102.50", 7, Source.CACHE)


def test_the_event_comes_with_it_as_it_was_published(face: Face, sink: RedisSink) -> None:
    event = make_event(7)
    sink.deliver([event])
    found = read(face)
    assert (found.event, found.event_json) == (event, event.json_bytes)


def test_what_an_event_says_is_as_of_its_detection(face: Face, sink: RedisSink) -> None:
    event = make_event(7)
    sink.deliver([event])
    assert read(face).as_of.isoformat() == "2024-03-19T12:00:00+00:00"


def test_an_old_value_is_stale(face: Face, sink: RedisSink) -> None:
    sink.deliver([make_event(7)])
    assert read(face).is_stale


def test_a_value_that_was_compared_with_the_table_is_as_of_then(
    settings: Settings, sink: RedisSink, client: redis.Redis
) -> None:
    sink.deliver([make_event(7)])
    client.hset(CACHE_REFRESHED, "tvl", "2024-03-19T13:00:00.000000Z")
    with cache_reader(settings, timeout_seconds=PATIENCE) as reader:
        eventually(lambda: entry(reader).as_of.isoformat() == "2024-03-19T13:00:00+00:00")


def test_null_is_none(face: Face, sink: RedisSink) -> None:
    sink.deliver([make_event(7, current=None, reason="to_null")])
    found = read(face)
    assert (found.value, found.is_deleted) == (None, False)


def test_a_deleted_entity_says_so(face: Face, sink: RedisSink) -> None:
    sink.deliver([make_event(7, current=None, reason="deleted")])
    found = read(face)
    assert (found.value, found.is_deleted) == (None, True)


def test_many_are_read_at_once(face: Face, sink: RedisSink) -> None:
    names = [f"p{number}" for number in range(1200)]
    sink.deliver([make_event(number, name) for number, name in enumerate(names, 1)])
    found = face.get_many("tvl", [("ethereum", name) for name in names])
    assert [entry.sequence for entry in found.values() if entry] == list(range(1, 1201))


def test_no_pairs_give_no_entries(face: Face) -> None:
    assert face.get_many("tvl", []) == {}


def test_a_kind_without_a_table_is_refused(face: Face) -> None:
    with pytest.raises(SettingsError, match="no table of kind volume"):
        face.get("volume", "ethereum", "lido")


@pytest.mark.parametrize("kind", ["TVL", "tvl:ethereum", ""])
def test_what_is_no_kinds_name_is_refused_without_tables_too(
    settings: Settings, client: redis.Redis, kind: str
) -> None:
    with (
        CacheReader(settings.redis.url or "") as reader,
        pytest.raises(SettingsError, match=f"'{kind}' is no kind's name. Kinds are small letters, digits and _"),
    ):
        reader.get(kind, "ethereum", "lido")
    assert list(client.scan_iter("rtp:cache-hot:*")) == []


def test_an_entry_is_a_json_document(face: Face, sink: RedisSink) -> None:
    sink.deliver([make_event(7)])
    document = json.loads(json.dumps(read(face).as_json()))
    assert (document["value"], document["event"]["sequence"]) == ("102.50", "00000000000000000007")


# Reading through


def test_what_is_not_cached_is_read_from_the_table(face: Face, lido: Callable[[str], None]) -> None:
    lido("31204417000.25")
    found = read(face)
    assert (found.value, found.sequence, found.source) == ("31204417000.25", 0, Source.DATABASE)


def test_what_was_read_from_the_table_is_cached(face: Face, lido: Callable[[str], None]) -> None:
    lido("100")
    read(face)
    found = read(face)
    assert (found.value, found.source, found.is_stale) == ("100", Source.CACHE, False)


def test_a_filled_entry_lives_as_long_as_any_other(
    face: Face, lido: Callable[[str], None], client: redis.Redis
) -> None:
    lido("100")
    read(face)
    assert 3200 < client.ttl(KEY) <= 3600


def test_what_is_filled_at_once_does_not_end_at_once(
    reader: CacheReader, writer: psycopg.Connection, client: redis.Redis
) -> None:
    writer.execute("INSERT INTO tvl SELECT 'ethereum', 'p' || g, 5, 'x' FROM generate_series(1, 100) AS g")
    names = [f"p{number}" for number in range(1, 101)]
    reader.get_many("tvl", [("ethereum", name) for name in names])
    lifetimes = [client.ttl(cache_key("tvl", "ethereum", name)) for name in names]
    assert 3240 <= min(lifetimes) < max(lifetimes) - 180


def test_an_entity_that_is_in_no_table_is_unknown(face: Face) -> None:
    assert face.get("tvl", "ethereum", "nobody") is None


def test_an_unknown_entity_is_remembered_for_a_while(face: Face, client: redis.Redis) -> None:
    face.get("tvl", *LIDO)
    assert 0 < client.pttl(KEY) <= 5000


def test_an_unknown_entity_is_not_looked_up_again(face: Face, lido: Callable[[str], None], client: redis.Redis) -> None:
    face.get("tvl", *LIDO)
    lido("100")
    assert face.get("tvl", *LIDO) is None
    client.delete(KEY)  # as time does
    assert read(face).value == "100"


def test_an_event_makes_an_unknown_entity_known(face: Face, sink: RedisSink) -> None:
    face.get("tvl", *LIDO)
    sink.deliver([make_event(7)])
    assert read(face).sequence == 7


@pytest.mark.parametrize("name", ["a\0b", "", "'; DROP TABLE tvl; --", "ü" * 500, "%_*"])
def test_names_may_be_anything(face: Face, name: str) -> None:
    assert face.get("tvl", "ethereum", name) is None


def test_a_protocol_is_read_with_all_its_columns(face: Face, writer: psycopg.Connection) -> None:
    writer.execute("INSERT INTO protocols (protocol, name, audits, source) VALUES ('lido', 'Lido', 2, 'llama')")
    found = read(face, "protocol", "all")
    fields = {"name": "Lido", "category": None, "url": None, "audits": 2, "parent": None}
    assert (found.fields, found.value, found.source) == (fields, None, Source.DATABASE)


def test_a_changed_protocol_is_completed_from_its_table(
    face: Face, writer: psycopg.Connection, sink: RedisSink
) -> None:
    writer.execute("INSERT INTO protocols (protocol, name, audits, source) VALUES ('lido', 'Lido', 2, 'llama')")
    fields = '{"name": {"previous": "Lido Finance", "current": "Lido"}}'
    sink.deliver([make_event(7, kind="protocol", watch="protocols", chain="all", reason="changed", fields=fields)])
    readings = [read(face, "protocol", "all") for _ in range(2)]
    assert [(r.fields or {}).get("audits") for r in readings] == [2, 2]
    assert [(r.sequence, r.source) for r in readings] == [(7, Source.DATABASE), (7, Source.CACHE)]


def test_a_new_protocol_needs_no_table(face: Face, sink: RedisSink) -> None:
    fields = '{"name": {"previous": null, "current": "Lido"}}'
    sink.deliver([make_event(7, kind="protocol", watch="protocols", chain="all", reason="added", fields=fields)])
    found = read(face, "protocol", "all")
    expected = {"name": "Lido", "category": None, "url": None, "audits": None, "parent": None}
    assert (found.fields, found.source) == (expected, Source.CACHE)


def test_a_removed_protocol_has_no_fields(face: Face, sink: RedisSink) -> None:
    fields = '{"name": {"previous": "Lido", "current": null}}'
    sink.deliver([make_event(7, kind="protocol", watch="protocols", chain="all", reason="removed", fields=fields)])
    found = read(face, "protocol", "all")
    assert (found.fields, found.is_deleted) == (None, True)


def test_a_look_up_in_a_large_table_uses_its_index(writer: psycopg.Connection, reader: CacheReader) -> None:
    writer.execute("INSERT INTO tvl SELECT 'ethereum', 'p' || g, g, 'x' FROM generate_series(1, 20000) AS g")
    writer.execute("ANALYZE tvl")
    writer.execute("SELECT pg_stat_reset()")
    reader.get("tvl", "ethereum", "p777")

    def scans() -> tuple[int, int]:
        row = writer.execute("SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'tvl'").fetchone()
        assert row is not None
        return row

    eventually(lambda: scans() == (0, 1))


def test_a_reader_needs_no_more_than_the_grants_in_its_documentation(
    settings: Settings, writer: psycopg.Connection, lido: Callable[[str], None]
) -> None:
    lido("100")
    role = f"reader_{writer.info.dbname}"
    writer.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'reader'")
    writer.execute(f"GRANT SELECT ON public.tvl, public.prices, public.protocols TO {role}")
    writer.execute(f"GRANT USAGE ON SCHEMA rtp TO {role}")
    address = urlsplit(settings.postgres.dsn or "")
    dsn = address._replace(netloc=f"{role}:reader@{address.hostname}:{address.port}").geturl()
    weak = settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"dsn": dsn})})
    try:
        with cache_reader(weak, timeout_seconds=PATIENCE) as reader:
            assert (entry(reader).value, reader.get("price", "ethereum", "usdc")) == ("100", None)
            assert reader.get("protocol", "all", "lido") is None
    finally:
        writer.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


# Who loads, and who waits


def entry(reader: CacheReader, entity: str = "lido") -> Entry:
    found = reader.get("tvl", "ethereum", entity)
    assert found is not None
    return found


def test_of_many_readers_that_miss_one_loads(
    settings: Settings, lido: Callable[[str], None], client: redis.Redis
) -> None:
    lido("100")
    readers = [cache_reader(settings, timeout_seconds=PATIENCE) for _ in range(8)]
    for number, each in enumerate(readers):
        each.get("tvl", "ethereum", f"nobody{number}")  # connected by now
    start = threading.Barrier(8)
    sources: list[str] = []

    def ask(each: CacheReader) -> None:
        start.wait()
        sources.append(entry(each).source)

    threads = [threading.Thread(target=ask, args=(each,)) for each in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in readers:
        each.close()
    assert sorted(sources)[:7] == ["cache"] * 7


def test_in_one_process_one_loads_however_long_it_takes(reader: CacheReader, lido: Callable[[str], None]) -> None:
    lido("100")
    asked, begun, go_on = [], threading.Event(), threading.Event()
    source = reader.source
    assert source is not None
    rows = source.rows

    def slow(owners: Any) -> Any:
        asked.append(owners)
        begun.set()
        go_on.wait(PATIENCE)
        return rows(owners)

    source.rows = slow  # type: ignore[method-assign]
    sources: list[str] = []
    threads = [threading.Thread(target=lambda: sources.append(entry(reader).source)) for _ in range(16)]
    for thread in threads:
        thread.start()
    begun.wait(PATIENCE)
    time.sleep(2 * WAIT_SECONDS)  # longer than anybody waits for another process
    go_on.set()
    for thread in threads:
        thread.join()
    assert (len(asked), sorted(sources)) == (1, ["cache"] * 15 + ["database"])


def test_of_a_crowd_in_one_loop_one_loads(settings: Settings, lido: Callable[[str], None]) -> None:
    lido("100")

    async def crowd() -> list[Entry | None]:
        async with async_cache_reader(settings, timeout_seconds=PATIENCE) as reader:
            return await asyncio.gather(*(reader.get("tvl", *LIDO) for _ in range(200)))

    sources = [found.source for found in asyncio.run(crowd()) if found]
    assert (sources.count(Source.DATABASE), sources.count(Source.CACHE)) == (1, 199)


def test_who_waits_in_vain_asks_the_database(
    reader: CacheReader, lido: Callable[[str], None], client: redis.Redis
) -> None:
    lido("100")
    client.hset(KEY, "claim", "somebody who has died")
    started = time.monotonic()
    assert entry(reader).value == "100"
    assert time.monotonic() - started >= WAIT_SECONDS * 0.5


def test_a_claim_ends_by_itself(client: redis.Redis) -> None:
    assert claim(client, "token") == 1
    assert 0 < client.pttl(KEY) <= CLAIM_MS


# What a fill can never do


def claim(client: redis.Redis, token: str) -> int:
    """What a reader does before it asks the table."""
    answer: int = client.register_script(CLAIM)([KEY], claim_arguments(Claim([KEY], token)))
    return answer


def fill(client: redis.Redis, token: str) -> int:
    """What a reader does with the table's answer; 0 where the entry is not the claimed one any more."""
    fields = ("as_of", "2030", "current", "1", "sequence", "0" * 20)
    answer: int = client.register_script(WRITE)([KEY], write_arguments(Guarded(KEY, "claim", token, 60_000, fields)))
    return answer


def test_a_slow_fill_loses_to_an_event(sink: RedisSink, client: redis.Redis) -> None:
    claim(client, "slow")
    sink.deliver([make_event(7)])
    assert fill(client, "slow") == 0
    assert client.hget(KEY, "sequence") == b"00000000000000000007"


def test_a_slow_fill_loses_to_an_event_that_was_evicted(sink: RedisSink, client: redis.Redis) -> None:
    claim(client, "slow")
    sink.deliver([make_event(7)])
    client.delete(KEY)  # evicted
    assert fill(client, "slow") == 0
    assert client.exists(KEY) == 0


def test_events_and_fills_may_race(settings: Settings, sink: RedisSink, client: redis.Redis) -> None:
    """A delivered event is never followed by something older, whatever else happens to the entry meanwhile."""
    stop = threading.Event()
    faults: list[str] = []
    published = 0

    def fill(number: int) -> None:
        with cache_reader(settings, timeout_seconds=PATIENCE) as each:
            source = each.source
            assert source is not None
            slow = source.rows

            def rows(owners: Any) -> Any:
                answer = slow(owners)
                time.sleep(0.003 * number)  # the fill is late
                return answer

            source.rows = rows  # type: ignore[method-assign]
            while not stop.is_set():
                floor = published
                found = entry(each)
                # What the table says is of the reader's own making here, so only events count.
                if found.source == "cache" and found.sequence < floor and found.sequence:
                    faults.append(f"{found.sequence} after {floor}")

    with psycopg.connect(settings.postgres.dsn or "", autocommit=True) as writing:
        writing.execute("INSERT INTO tvl VALUES ('ethereum', 'lido', 100, 'llama')")
    threads = [threading.Thread(target=fill, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for sequence in range(1, amount(800, 1500) + 1):
        sink.deliver([make_event(sequence)])
        published = sequence
        held = client.hget(KEY, "sequence")
        if held != b"%020d" % sequence:
            faults.append(f"{held!r} right after {sequence}")
        if sequence % 3 == 0:
            client.delete(KEY)  # expired or evicted: the readers fill it again
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []


def test_who_hears_of_an_event_finds_it_in_the_cache(settings: Settings, sink: RedisSink) -> None:
    """Atomic with the event: many checks, by readers that know no more than what they were told."""
    readers, events = 6, amount(300, 1000)
    checks: list[int] = []
    late: list[tuple[int, int]] = []
    ready = threading.Barrier(readers + 1)

    def listen() -> None:
        with (
            cache_reader(settings) as each,
            redis.Redis.from_url(settings.redis.url or "") as own,
            own.pubsub(ignore_subscribe_messages=True) as subscription,
        ):
            subscription.psubscribe("rtp:events:*")
            subscription.get_message(timeout=5)
            ready.wait()
            told = 0
            while told < events:
                message = subscription.get_message(timeout=10)
                assert message is not None
                told = int(json.loads(message["data"])["sequence"])
                found = each.get("tvl", "ethereum", f"p{told % 5}")
                checks.append(told)
                if found is None or found.sequence < told:
                    late.append((told, found.sequence if found else -1))

    threads = [threading.Thread(target=listen) for _ in range(readers)]
    for thread in threads:
        thread.start()
    ready.wait()
    for sequence in range(1, events + 1):
        sink.deliver([make_event(sequence, f"p{sequence % 5}")])
    for thread in threads:
        thread.join()
    assert (len(checks), late) == (readers * events, [])


# Without Redis, without PostgreSQL


def test_without_redis_the_database_answers(face: Face, stack: EmbeddedStack, lido: Callable[[str], None]) -> None:
    lido("100")
    stack.redis.kill()
    try:
        readings = [read(face) for _ in range(3)]
    finally:
        stack.redis.start()
    assert [(found.value, found.source) for found in readings] == [("100", Source.DATABASE)] * 3


def test_a_redis_that_does_not_answer_holds_a_reader_up_once(
    face: Face, stack: EmbeddedStack, lido: Callable[[str], None]
) -> None:
    lido("100")
    read(face)
    stack.redis.pause()
    try:
        read(face)
        assert face.reader.is_redis_away
    finally:
        stack.redis.resume()


def test_redis_is_used_again_when_it_is_back(face: Face, stack: EmbeddedStack, lido: Callable[[str], None]) -> None:
    lido("100")
    stack.redis.kill()
    try:
        read(face)
    finally:
        stack.redis.start()
    eventually(lambda: read(face).source == Source.CACHE)


def test_without_a_database_the_cache_alone_is_read(settings: Settings, sink: RedisSink) -> None:
    alone = settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"dsn": None})})
    sink.deliver([make_event(7)])
    with cache_reader(alone) as reader:
        assert (entry(reader).sequence, reader.get("tvl", "ethereum", "nobody")) == (7, None)


def test_without_a_database_a_changed_protocol_has_what_changed(settings: Settings, sink: RedisSink) -> None:
    alone = settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"dsn": None})})
    fields = '{"name": {"previous": "Lido Finance", "current": "Lido"}}'
    sink.deliver([make_event(7, kind="protocol", watch="protocols", chain="all", reason="changed", fields=fields)])
    with cache_reader(alone) as reader:
        found = reader.get("protocol", "all", "lido")
    assert found is not None
    assert (found.sequence, found.fields) == (7, {"name": "Lido"})


def test_a_redis_that_takes_nothing_more_is_still_read(
    face: Face, sink: RedisSink, client: redis.Redis, writer: psycopg.Connection
) -> None:
    writer.execute("INSERT INTO tvl VALUES ('ethereum', 'aave', 5, 'llama')")
    sink.deliver([make_event(7)])
    client.config_set("maxmemory", "1")
    try:
        readings = [read(face, entity=name) for name in ("aave", "lido", "aave", "lido")]
    finally:
        client.config_set("maxmemory", "0")
    assert [found.source for found in readings] == ["database", "cache", "database", "cache"]


def test_a_redis_that_lets_nobody_read_is_no_empty_one(settings: Settings, client: redis.Redis) -> None:
    client.acl_setuser("nobody", enabled=True, passwords=["+secret"], commands=["+ping", "+hello"], keys=["*"])
    address = urlsplit(settings.redis.url or "")
    url = address._replace(netloc=f"nobody:secret@{address.hostname}:{address.port}").geturl()
    weak = settings.model_copy(
        update={
            "redis": settings.redis.model_copy(update={"url": url}),
            "postgres": settings.postgres.model_copy(update={"dsn": None}),
        }
    )
    try:
        with cache_reader(weak) as reader, pytest.raises(ServiceUnavailable, match="no permissions"):
            reader.get("tvl", *LIDO)
    finally:
        client.acl_deluser("nobody")


def test_a_read_without_redis_and_database_raises(settings: Settings, stack: EmbeddedStack) -> None:
    alone = settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"dsn": None})})
    with cache_reader(alone) as reader:
        stack.redis.kill()
        try:
            with pytest.raises(ServiceUnavailable, match="Redis at"):
                reader.get("tvl", *LIDO)
        finally:
            stack.redis.start()


def test_a_database_that_is_away_is_named_without_its_password(settings: Settings) -> None:
    away = settings.postgres.model_copy(update={"dsn": "postgresql://rtp:secret@127.0.0.1:1/defi"})
    with cache_reader(settings.model_copy(update={"postgres": away})) as reader:
        with pytest.raises(ServiceUnavailable, match=r"PostgreSQL at 127\.0\.0\.1:1/defi") as caught:
            reader.get("tvl", *LIDO)
        assert "secret" not in str(caught.value)


def test_without_an_address_there_is_no_reader(installed: Settings) -> None:
    with pytest.raises(SettingsError, match="no Redis address"):
        cache_reader(installed)


def test_a_value_of_another_type_under_an_entrys_name_is_replaced(
    face: Face, client: redis.Redis, lido: Callable[[str], None]
) -> None:
    lido("100")
    client.set(KEY, "not a hash")
    assert [read(face).value, read(face).source] == ["100", Source.CACHE]


def test_a_hash_that_is_not_of_rtps_making_is_no_entry(
    face: Face, client: redis.Redis, lido: Callable[[str], None]
) -> None:
    lido("100")
    client.hset(KEY, "sequence", "00000000000000000007")
    assert read(face).value == "100"


# Copies in the process


@pytest.fixture
def taken_for_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """redis-py keeps copies of what Redis serves only; to others it would speak the same protocol."""
    monkeypatch.setattr(CacheProxyConnection, "DEFAULT_SERVER_NAME", "valkey")


def test_copies_of_what_is_not_redis_are_refused(settings: Settings, client: redis.Redis) -> None:
    if client.execute_command("HELLO", 3)[b"server"] != b"valkey":  # type: ignore[no-untyped-call]
        pytest.skip("the stack runs Redis itself")
    with (
        cache_reader(settings, local_entries=100, timeout_seconds=PATIENCE) as reader,
        pytest.raises(SettingsError, match="copies in the process"),
    ):
        entry(reader)


@pytest.mark.usefixtures("taken_for_redis")
def test_a_copy_in_the_process_is_read_without_a_round_trip(settings: Settings, sink: RedisSink) -> None:
    sink.deliver([make_event(7)])
    with cache_reader(settings, local_entries=100, timeout_seconds=PATIENCE) as reader:
        assert [entry(reader).source for _ in range(3)] == [Source.CACHE, Source.LOCAL, Source.LOCAL]


@pytest.mark.usefixtures("taken_for_redis")
def test_an_event_ends_the_copy(settings: Settings, sink: RedisSink) -> None:
    sink.deliver([make_event(7)])
    with cache_reader(settings, local_entries=100, timeout_seconds=PATIENCE) as reader:
        entry(reader)
        entry(reader)
        sink.deliver([make_event(8)])
        eventually(lambda: entry(reader).sequence == 8)


# Counting


def test_reads_are_counted_in_redis(settings: Settings, sink: RedisSink, client: redis.Redis) -> None:
    sink.deliver([make_event(7)])
    with cache_reader(settings, timeout_seconds=PATIENCE) as reader:
        for _ in range(5):
            entry(reader)
        reader.get("price", "ethereum", "usdc")
    counted = client.hgetall(CACHE_TOTAL)
    assert (counted[b"tvl.hits"], counted[b"price.misses"]) == (b"5", b"1")


def test_a_miss_counts_without_a_database_too(settings: Settings, client: redis.Redis) -> None:
    alone = settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"dsn": None})})
    with cache_reader(alone, timeout_seconds=PATIENCE) as reader:
        reader.get("tvl", *LIDO)
    assert client.hget(CACHE_TOTAL, "tvl.misses") == b"1"


def test_a_reader_that_does_not_count_keeps_no_counts(settings: Settings, sink: RedisSink) -> None:
    sink.deliver([make_event(7)])
    with cache_reader(settings, is_counted=False, timeout_seconds=PATIENCE) as reader:
        entry(reader)
        assert not reader.counts.hits


def test_an_asynchronous_reader_counts_from_its_first_read(
    settings: Settings, sink: RedisSink, client: redis.Redis
) -> None:
    async def read_once() -> None:
        reader = async_cache_reader(settings, timeout_seconds=PATIENCE)
        await reader.get("tvl", *LIDO)
        await reader.close()

    sink.deliver([make_event(7)])
    asyncio.run(read_once())
    assert client.hget(CACHE_TOTAL, "tvl.hits") == b"1"


def test_a_hot_entry_lives_longer(settings: Settings, sink: RedisSink, client: redis.Redis) -> None:
    sink.deliver([make_event(7)])
    client.expire(KEY, 100)
    with cache_reader(settings, timeout_seconds=PATIENCE) as reader:
        for _ in range(5):
            entry(reader)
    assert client.ttl(KEY) > 3000


def test_one_read_does_not_make_it_hot(settings: Settings, sink: RedisSink, client: redis.Redis) -> None:
    sink.deliver([make_event(7)])
    client.expire(KEY, 100)
    with cache_reader(settings, timeout_seconds=PATIENCE) as reader:
        entry(reader)
    assert client.ttl(KEY) <= 100
