"""Logs have names: a new, a restored or a set back log never freezes the cache, and readers hear of it."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis

from core.cache.fill import CacheFill
from core.cache.rebuild import rebuild_cache
from core.letters.letter_copy import copied_letter
from core.letters.table import revive
from core.log.installation import read_installation
from core.log.jumps import Jump, former_names, ids_between, jump_ahead, read_jumps
from core.log.reader import LogReader
from core.log.rows import build_event
from core.processor.build import build_pipeline, postgres_server
from core.services.postgres import connect
from core.settings.models import Settings, postgres_dsn
from core.sinks.redis import RedisSink
from rtp_client import CacheReader, EventStream
from rtp_client.keys import STREAM, cache_key
from tests.eventually import eventually
from tests.samples import ROW
from tests.tvl_table import write
from triggers.installer import apply, plan_installation, plan_removal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rtp_client.event import Event

LIDO = cache_key("tvl", "ethereum", "lido")


def event_of(log: str, sequence: int, current: str = "102.50") -> Event:
    return build_event(ROW._replace(id=sequence, current=current), source="/rtp", log_id=log)


@pytest.fixture
def cached(settings: Settings) -> Iterator[Callable[[], str | None]]:
    """The value of lido's entry, as readers of the cache see it."""
    with CacheReader(settings.redis.url or "", is_counted=False) as reader:

        def look() -> str | None:
            entry = reader.get("tvl", "ethereum", "lido")
            return None if entry is None else entry.value

        yield look


def without_queue(settings: Settings) -> Settings:
    return settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"queue": None})})


# What the cache takes


def test_an_event_of_another_log_overwrites_a_higher_sequence(sink: RedisSink, client: redis.Redis) -> None:
    sink.deliver([event_of("old", 397)])
    sink.deliver([event_of("new", 5)])
    assert client.hget(LIDO, "sequence") == b"%020d" % 5


def test_an_older_event_of_the_same_log_overwrites_nothing(sink: RedisSink, client: redis.Redis) -> None:
    sink.deliver([event_of("old", 397)])
    sink.deliver([event_of("new", 5), event_of("new", 7), event_of("new", 6)])
    assert client.hget(LIDO, "sequence") == b"%020d" % 7


def test_a_value_that_was_compared_with_the_former_logs_table_goes_with_its_entry(
    sink: RedisSink, client: redis.Redis
) -> None:
    sink.deliver([event_of("old", 397)])
    client.hset(LIDO, mapping={"current": "16", "as_of": "2024-03-19T12:00:00.000000Z"})
    sink.deliver([event_of("new", 5)])
    assert client.hmget(LIDO, ["current", "as_of"]) == [None, None]


def test_a_rebuild_replaces_what_a_former_log_has_left(
    settings: Settings, sink: RedisSink, client: redis.Redis, writer: psycopg.Connection
) -> None:
    write(writer, 100, 5000)
    sink.deliver([event_of("old", 2**60, "16")])
    with closing(CacheFill(settings.redis, url=settings.redis.url or "")) as fill:
        rebuild_cache(writer, fill, source="/rtp")
    assert b'"current":"5000"' in (client.hget(LIDO, "event") or b"")


def test_a_dead_letter_of_before_the_log_got_another_name_overwrites_nothing_newer(
    sink: RedisSink, client: redis.Redis
) -> None:
    letter: dict[str, Any] = json.loads(event_of("old", 5).json_bytes)
    sink.deliver([event_of("new", 7)])
    sink.deliver([revive(letter, source="/rtp", log_id="new")])
    assert client.hget(LIDO, "sequence") == b"%020d" % 7


def test_a_copy_in_the_dead_letter_queue_is_known_by_each_name_of_its_log() -> None:
    message: Any = {"MessageAttributes": {"rtp_letter": {"StringValue": "old/12", "DataType": "String"}}}
    assert [copied_letter(message, logs=logs) for logs in (("new", "old"), ("new",))] == ["12", None]


# Where sequences begin


def test_a_new_log_begins_above_an_earlier_one(
    settings: Settings, writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]
) -> None:
    def last_sequence() -> int:
        write(connect_again(), 100, 200)
        row = writer.execute("SELECT max(id) FROM rtp.event").fetchone()
        return int(row[0]) if row else 0

    before = last_sequence()
    apply(writer, plan_removal(writer))
    apply(writer, plan_installation(writer, settings))
    write(writer, 50)
    assert last_sequence() > before


def test_ids_that_a_log_has_left_out_do_not_count_as_waiting() -> None:
    jumps = [Jump(0, 1000), Jump(1010, 9000)]
    assert [ids_between(read, 9005, jumps) for read in (0, 1004, 1010, 9003, 9005)] == [15, 11, 5, 2, 0]


def test_nothing_waits_in_a_new_log(settings: Settings) -> None:
    with closing(LogReader(postgres_server(settings), "redis")) as reader:
        reader.open()
        reader.look_ahead()
        assert (reader.newest_id > 10**15, reader.unread_ids) == (True, 0)


def test_a_log_that_jumps_has_another_name_and_knows_its_former_one(writer: psycopg.Connection) -> None:
    before = read_installation(writer)
    above = jump_ahead(writer, above=2**60)
    assert (former_names(writer), above, read_installation(writer) != before) == ([before], 2**60, True)
    assert read_jumps(writer)[-1].to_id == 2**60


# A running rtp


@pytest.mark.parametrize("held", [397, 2**60], ids=["a small log of an early version", "a log of a clock far ahead"])
def test_after_uninstall_and_install_the_cache_has_what_is_published(
    settings: Settings, sink: RedisSink, writer: psycopg.Connection, cached: Callable[[], str | None], held: int
) -> None:
    sink.deliver([event_of("gone", held, "16")])
    apply(writer, plan_removal(writer))
    apply(writer, plan_installation(writer, settings))
    pipeline = build_pipeline(without_queue(settings), on_problem=lambda _: None)
    pipeline.start()
    try:
        with closing(connect(postgres_dsn(settings), role="test")) as fresh:
            write(fresh, 100, 5000)
        eventually(lambda: cached() == "5000")
    finally:
        pipeline.stop()


def set_back(connection: psycopg.Connection, last: int) -> None:
    """As a database that was restored from a copy of its files, or whose server lost its last commits in a crash."""
    connection.execute("DELETE FROM rtp.event WHERE id > %s", [last])
    connection.execute("SELECT setval('rtp.event_id', %s)", [last])


def test_a_log_that_was_set_back_goes_on_under_another_name_and_the_cache_follows(
    settings: Settings, sink: RedisSink, writer: psycopg.Connection, cached: Callable[[], str | None]
) -> None:
    write(writer, 100, 5000)
    log, newest = read_installation(writer), writer.execute("SELECT max(id) FROM rtp.event").fetchone()
    assert newest is not None
    sink.deliver([event_of(log, newest[0] + 400, "16")])  # of a time that the database has lost
    said: list[str] = []
    pipeline = build_pipeline(without_queue(settings), on_problem=lambda problem: said.append(problem.text))
    pipeline.start()
    try:
        eventually(lambda: cached() == "5000")
        write(writer, 7000)
        eventually(lambda: cached() == "7000")
    finally:
        pipeline.stop()
    assert (former_names(writer), len([line for line in said if line.startswith("the database was set back: ")])) == (
        [log],
        1,
    )


def test_a_log_that_loses_what_a_running_rtp_has_read_goes_on_under_another_name(
    settings: Settings, client: redis.Redis, writer: psycopg.Connection, cached: Callable[[], str | None]
) -> None:
    write(writer, 100)
    (kept,) = writer.execute("SELECT last_value FROM rtp.event_id").fetchone() or (0,)
    pipeline = build_pipeline(without_queue(settings), on_problem=lambda _: None)
    pipeline.start()
    try:
        write(writer, 5000, 7000)
        eventually(lambda: cached() == "7000")
        client.delete(STREAM)
        with writer.transaction():
            writer.execute("UPDATE rtp.cursor SET snapshot = '1:1:', until = NULL, after_id = 0, floor_id = 0")
            set_back(writer, kept)
            writer.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'rtp redis'"
            )
        eventually(lambda: former_names(writer))
        write(writer, 9000)
        eventually(lambda: cached() == "9000")
    finally:
        pipeline.stop()


# What readers hear


def test_a_reader_of_the_stream_is_told_that_the_log_has_changed(sink: RedisSink, redis_url: str) -> None:
    notices: list[str] = []
    sink.deliver([event_of("old", 396), event_of("old", 397), event_of("new", 900), event_of("new", 901)])
    with EventStream(redis_url, on_notice=notices.append) as stream:
        events = stream.follow(since=396)
        assert [next(events).event.log for _ in range(3)] == ["old", "new", "new"]
    assert notices == [
        "the log has changed: from sequence 900 on it is new, before it was old; sequences of the two do not compare"
    ]


def test_a_live_reader_is_told_though_it_has_seen_no_event_of_the_former_log(sink: RedisSink, redis_url: str) -> None:
    notices: list[str] = []
    sink.deliver([event_of("old", 397)])
    with EventStream(redis_url, on_notice=notices.append) as stream:
        events = stream.follow()
        sink.deliver([event_of("new", 900)])
        next(events)
    assert len(notices) == 1


def test_an_entry_tells_the_log_of_its_sequence(settings: Settings, sink: RedisSink, client: redis.Redis) -> None:
    sink.deliver([event_of("new", 900)])
    with CacheReader(settings.redis.url or "", is_counted=False) as reader:
        entry = reader.get("tvl", "ethereum", "lido")
    assert entry is not None
    assert (entry.log, entry.as_json()["log"], client.xlen(STREAM)) == ("new", "new", 1)
