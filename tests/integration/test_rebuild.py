"""A cache that lost its memory is filled from the database, whoever writes meanwhile, and nobody is told twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis

from core.cache.fill import CacheFill
from core.cache.rebuild import PAGE_SIZE, rebuild_cache
from core.processor.build import build_pipeline
from core.processor.pipeline import Pipeline
from core.redis_names import CACHE_MARKER
from core.services.postgres import connect
from core.settings.models import Settings, postgres_dsn
from rtp_client.keys import STREAM, cache_key, channel_pattern
from tests.eventually import eventually
from tests.samples import make_event

if TYPE_CHECKING:
    from core.stack import EmbeddedStack

MANY = 2 * PAGE_SIZE + 1


@pytest.fixture
def cache(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def fill(redis_url: str, settings: Settings) -> Iterator[CacheFill]:
    with closing(CacheFill(settings.redis, url=redis_url)) as fill:
        yield fill


@pytest.fixture
def problems() -> list[str]:
    return []


@pytest.fixture
def running(settings: Settings, problems: list[str]) -> Iterator[Pipeline]:
    """rtp without alerts."""
    settings = settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"queue": None})})
    pipeline = build_pipeline(settings, on_problem=lambda problem: problems.append(str(problem)))
    pipeline.start()
    yield pipeline
    assert pipeline.stop()


def write(connection: psycopg.Connection, value: int, entities: int = MANY) -> None:
    """Every entity's value changes, in one transaction."""
    connection.execute(
        "INSERT INTO tvl SELECT 'ethereum', 'p' || g, %s, 'llama' FROM generate_series(1, %s) AS g"
        " ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd",
        [value, entities],
    )


@pytest.fixture
def changed(writer: psycopg.Connection) -> None:
    """A log in which every entity has two events."""
    for value in (1, 2, 3):
        write(writer, value)


def cached(client: redis.Redis) -> dict[str, str]:
    """The values in the cache, by entity."""
    keys = list(client.scan_iter("rtp:cache:tvl:*", count=1000))
    with client.pipeline(transaction=False) as asking:
        for key in keys:
            asking.hget(key, "event")
        found = [json.loads(document)["data"] for document in asking.execute() if document]
    return {data["entity"]: data["current"] for data in found}


def everyone_at(value: int) -> dict[str, str]:
    return {f"p{number}": str(value) for number in range(1, MANY + 1)}


# The fill itself


def test_every_entitys_newest_event_is_in_the_cache(
    writer: psycopg.Connection, fill: CacheFill, cache: redis.Redis, changed: None
) -> None:
    rebuild_cache(writer, fill, source="/rtp")
    assert cached(cache) == everyone_at(3)


def test_a_fill_tells_what_it_did(writer: psycopg.Connection, fill: CacheFill, changed: None) -> None:
    done = rebuild_cache(writer, fill, source="/rtp")
    assert done is not None
    assert (done.entities, done.written) == (MANY, MANY)


def test_a_second_fill_has_nothing_to_write(writer: psycopg.Connection, fill: CacheFill, changed: None) -> None:
    rebuild_cache(writer, fill, source="/rtp")
    done = rebuild_cache(writer, fill, source="/rtp")
    assert done is not None
    assert (done.entities, done.written) == (MANY, 0)


def test_a_fill_shows_its_progress(writer: psycopg.Connection, fill: CacheFill, changed: None) -> None:
    pages: list[int] = []
    rebuild_cache(writer, fill, source="/rtp", on_page=pages.append)
    assert pages == [PAGE_SIZE, 2 * PAGE_SIZE, MANY]


def test_entries_expire_like_those_that_were_delivered(
    writer: psycopg.Connection, fill: CacheFill, cache: redis.Redis, settings: Settings, changed: None
) -> None:
    rebuild_cache(writer, fill, source="/rtp")
    ttl: Any = cache.ttl(cache_key("tvl", "ethereum", "p1"))
    assert settings.redis.cache_ttl_seconds * 0.9 - 60 < ttl <= settings.redis.cache_ttl_seconds


def test_a_newer_event_in_the_cache_stays(fill: CacheFill, cache: redis.Redis) -> None:
    fill.fill([make_event(7)])
    assert (fill.fill([make_event(6)]), cache.hget(cache_key("tvl", "ethereum", "lido"), "sequence")) == (
        0,
        make_event(7).sequence,
    )


def test_a_value_of_another_type_is_replaced(fill: CacheFill, cache: redis.Redis) -> None:
    cache.set(cache_key("tvl", "ethereum", "lido"), "not a hash")
    assert fill.fill([make_event(1)]) == 1


def test_nothing_is_published_or_appended_to_the_stream(
    writer: psycopg.Connection, fill: CacheFill, cache: redis.Redis, changed: None
) -> None:
    with cache.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
        subscription.psubscribe(channel_pattern())
        subscription.get_message(timeout=5)
        rebuild_cache(writer, fill, source="/rtp")
        cache.publish("rtp:events:the:end:marker", "the end")
        message = eventually(lambda: subscription.get_message(timeout=1))
    assert (message["data"], cache.exists(STREAM)) == ("the end", 0)


def test_memory_lost_on_the_way_is_noticed(
    writer: psycopg.Connection, fill: CacheFill, cache: redis.Redis, changed: None
) -> None:
    fill.begin()
    assert rebuild_cache(writer, fill, source="/rtp", on_page=lambda _: cache.flushall()) is None


def test_memory_lost_at_the_very_end_is_noticed(fill: CacheFill, cache: redis.Redis) -> None:
    fill.begin()
    fill.fill([make_event(1)])
    cache.flushall()
    assert not fill.complete("log")


def test_a_fill_that_is_not_wanted_any_more_ends(writer: psycopg.Connection, fill: CacheFill, changed: None) -> None:
    assert rebuild_cache(writer, fill, source="/rtp", is_wanted=lambda: False) is None


def test_a_filled_cache_is_known_as_such(fill: CacheFill) -> None:
    fill.begin()
    fill.complete("log")
    assert (fill.is_complete("log"), fill.is_complete("another log")) == (True, False)


def test_a_marker_of_another_type_is_no_marker(fill: CacheFill, cache: redis.Redis) -> None:
    cache.lpush(CACHE_MARKER, "?")
    assert not fill.is_complete("log")


# In a running rtp


def test_rtp_that_starts_with_an_empty_redis_fills_its_cache(
    writer: psycopg.Connection, cache: redis.Redis, settings: Settings, changed: None, problems: list[str]
) -> None:
    settings = settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"queue": None})})
    for _ in range(2):
        pipeline = build_pipeline(settings, on_problem=lambda problem: problems.append(str(problem)))
        pipeline.start()
        eventually(lambda: cached(cache) == everyone_at(3))
        eventually(lambda: pipeline.cache_rebuilder and pipeline.cache_rebuilder.rebuilds)  # noqa: B023
        assert pipeline.stop()
        cache.flushall()  # the second time the log has nothing left to deliver


def test_a_cache_that_was_flushed_is_filled_again(
    running: Pipeline, writer: psycopg.Connection, cache: redis.Redis, changed: None
) -> None:
    eventually(lambda: cached(cache) == everyone_at(3) and cache.get(CACHE_MARKER))
    cache.flushall()
    assert eventually(lambda: cached(cache) == everyone_at(3))


def test_a_redis_that_restarted_without_its_memory_is_filled_again(
    running: Pipeline, writer: psycopg.Connection, cache: redis.Redis, stack: EmbeddedStack, changed: None
) -> None:
    def is_filled() -> bool:
        try:
            return cached(cache) == everyone_at(3)
        except redis.ConnectionError:
            return False

    eventually(is_filled)
    stack.redis.kill()
    stack.redis.start()
    assert eventually(is_filled)


def test_a_fill_is_told_once(
    running: Pipeline, writer: psycopg.Connection, cache: redis.Redis, problems: list[str]
) -> None:
    # There is nothing to fill yet, of which nobody is told.
    eventually(lambda: running.cache_rebuilder and running.cache_rebuilder.rebuilds)
    for value in (1, 2, 3):
        write(writer, value)
    # Only what is not on its way any more is the fill's alone to write.
    eventually(lambda: cache.xlen(STREAM) == 2 * MANY)
    cache.flushall()
    (problem,) = eventually(lambda: [p for p in problems if "cache" in p])
    assert problem.startswith(f"Redis: the cache was not complete; {MANY} of {MANY} entries were written")


def test_what_is_written_during_a_fill_wins(
    running: Pipeline, writer: psycopg.Connection, cache: redis.Redis, changed: None
) -> None:
    eventually(lambda: cached(cache) == everyone_at(3))
    for value in range(10, 20):
        cache.flushall()
        write(writer, value)
    assert eventually(lambda: cached(cache) == everyone_at(19))


def test_a_fill_gives_way_to_whoever_wants_its_tables_for_itself(
    running: Pipeline,
    settings: Settings,
    writer: psycopg.Connection,
    cache: redis.Redis,
    changed: None,
    problems: list[str],
) -> None:
    eventually(lambda: cached(cache) == everyone_at(3))
    waiting = "SELECT FROM pg_stat_activity WHERE application_name = 'rtp rebuild' AND wait_event_type = 'Lock'"
    with connect(postgres_dsn(settings), role="onlooker") as onlooker, writer.transaction():
        writer.execute("LOCK TABLE rtp.event IN ACCESS EXCLUSIVE MODE")
        cache.flushall()
        eventually(lambda: onlooker.execute(waiting).fetchone() is not None)
        writer.execute("LOCK TABLE rtp.latest_event IN ACCESS EXCLUSIVE MODE")  # which the fill holds
    eventually(lambda: cached(cache) == everyone_at(3))
    assert not [problem for problem in problems if "not rebuilt" in problem]


def test_what_keeps_it_from_filling_is_told_once_and_tried_again(
    running: Pipeline, writer: psycopg.Connection, cache: redis.Redis, changed: None, problems: list[str]
) -> None:
    eventually(lambda: cached(cache) == everyone_at(3))
    writer.execute("ALTER TABLE rtp.latest_event RENAME TO away")
    cache.flushall()
    eventually(lambda: any("not rebuilt" in problem for problem in problems))
    writer.execute("ALTER TABLE rtp.away RENAME TO latest_event")
    eventually(lambda: cached(cache) == everyone_at(3))
    assert len([problem for problem in problems if "not rebuilt" in problem]) == 1
