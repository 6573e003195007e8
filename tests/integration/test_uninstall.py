"""`rtp uninstall-triggers` takes nothing with it that somebody still waits for, and says what stays in Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from core.leading.epoch import UNFENCED, Epochs
from core.processor.build import postgres_server
from core.processor.wakeup import WakeUp
from core.redis_names import CACHE_MARKER, FENCE, baseline_key
from core.settings.models import Settings, postgres_dsn
from core.sinks.redis import RedisSink
from rtp_client.keys import CACHE_TOTAL, STREAM, cache_key
from tests.command import Command, Done
from tests.eventually import eventually
from tests.recoveries import quiet_recovery
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Iterator

Run = Callable[..., Done]

EVENT = (
    "INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, changed_at)"
    " VALUES (1, 'ethereum', 'lido', 1, 'deviation', 1, now())"
)
CURSOR = "INSERT INTO rtp.cursor (sink, snapshot, table_oid) VALUES ('redis', '1:1:', 'rtp.cursor'::regclass)"
SAMPLE = (
    "INSERT INTO rtp.sample (watch, chain, entity, value, sampled_at, changed_at, confidence)"
    " VALUES (1, 'ethereum', 'lido', 1, now(), now(), 1)"
)
LETTER = (
    "INSERT INTO rtp.dead_letter (sink, event_id, event, error, attempts, first_attempt_at, last_attempt_at)"
    " VALUES ('sqs', 1, '{}', 'refused', 5, now(), now())"
)


@pytest.fixture
def uninstall(command: Command, installed: Settings) -> Run:
    return lambda *arguments: command("uninstall-triggers", "--postgres-dsn", postgres_dsn(installed), *arguments)


def is_installed(connection: psycopg.Connection) -> bool:
    row = connection.execute("SELECT to_regnamespace('rtp') IS NOT NULL").fetchone()
    return bool(row and row[0])


@pytest.mark.parametrize(
    ("left", "line"),
    [
        ([EVENT], "1 event that no sink has read"),
        ([EVENT, EVENT, CURSOR], "2 events that sink redis has not got"),
        ([SAMPLE], "1 sample that rtp run has not judged"),
        ([LETTER], "1 dead letter of sink sqs"),
    ],
    ids=["unread events", "undelivered events", "samples", "dead letters"],
)
def test_it_refuses_where_something_is_undelivered(
    uninstall: Run, writer: psycopg.Connection, left: list[str], line: str
) -> None:
    for statement in left:
        writer.execute(statement.encode())
    done = uninstall()
    assert (done.code, done.out, is_installed(writer)) == (2, "", True)
    assert done.err.strip() == (
        f"not all is delivered: {line}; nothing was removed. `rtp run --until-idle` delivers, "
        "`rtp reset-cursor --sink S --forget` ends a sink that the settings name no more, "
        "`rtp dlq` retries or drops dead letters. --yes gives all up"
    )


def test_yes_removes_what_is_undelivered_as_well(uninstall: Run, writer: psycopg.Connection) -> None:
    writer.execute(EVENT.encode())
    assert (uninstall("--yes").code, is_installed(writer)) == (0, False)


def test_a_letter_that_was_dropped_holds_nothing_up(uninstall: Run, writer: psycopg.Connection) -> None:
    writer.execute(LETTER.encode())
    writer.execute("UPDATE rtp.dead_letter SET status = 'dropped'")
    assert (uninstall().code, is_installed(writer)) == (0, False)


@pytest.mark.parametrize("idle_before_sleep_ms", [60_000, 0], ids=["awake", "asleep"])
def test_it_refuses_while_rtp_runs_unless_told_otherwise(
    uninstall: Run, writer: psycopg.Connection, installed: Settings, idle_before_sleep_ms: float
) -> None:
    run = installed.run.model_copy(update={"idle_before_sleep_ms": idle_before_sleep_ms})
    wakeup = WakeUp(postgres_server(installed), run, Epochs(UNFENCED), recovery=quiet_recovery())
    wakeup.start()
    try:
        eventually(lambda: wakeup.holds_lock or wakeup.is_asleep)
        refused = uninstall()
        removed = uninstall("--yes")
    finally:
        wakeup.request_stop()
        wakeup.join()
    assert refused.err.startswith("rtp run is active on this database")
    assert (refused.code, removed.code, is_installed(writer)) == (2, 0, False)


def test_a_schema_that_cannot_be_looked_into_is_not_removed_unless_told_otherwise(
    uninstall: Run, writer: psycopg.Connection
) -> None:
    writer.execute("UPDATE rtp.installation SET schema_version = 7")
    refused = uninstall()
    assert refused.err.startswith("what is not delivered cannot be told: the database has rtp schema version 7,")
    assert (refused.code, uninstall("--yes").code, is_installed(writer)) == (2, 0, False)


def test_a_schema_of_a_newer_rtp_is_left_to_that_one(uninstall: Run, writer: psycopg.Connection) -> None:
    writer.execute("UPDATE rtp.installation SET schema_version = 99")
    writer.execute("CREATE TABLE rtp.of_later (id int)")
    refused = uninstall("--yes")
    assert (refused.code, is_installed(writer)) == (2, True)
    assert refused.err.startswith("the database has rtp schema version 99, this rtp knows ")


# Redis


@pytest.fixture
def full(sink: RedisSink, client: redis.Redis) -> Iterator[redis.Redis]:
    """A Redis with what rtp leaves there, what a stream source remembers, and somebody else's key."""
    sink.deliver([make_event(1), make_event(2, "aave"), make_event(3)])
    for name in (FENCE, CACHE_MARKER, CACHE_TOTAL, baseline_key("tvl", "ethereum", "lido"), "theirs"):
        client.set(name, 1)
    yield client


def test_it_says_what_stays_in_redis(uninstall: Run, full: redis.Redis, redis_url: str) -> None:
    before = full.dbsize()
    done = uninstall("--redis-url", redis_url)
    assert (done.err.startswith("Redis keeps 2 entries of the cache and 3 events of the stream. "), full.dbsize()) == (
        True,
        before,
    )


def test_it_clears_redis_where_asked_to_and_leaves_what_is_not_of_the_log(
    uninstall: Run, full: redis.Redis, redis_url: str
) -> None:
    done = uninstall("--redis-url", redis_url, "--clear-redis")
    assert done.err == "Redis: 2 entries of the cache and 3 events of the stream removed.\n"
    assert sorted(full.keys()) == sorted([baseline_key("tvl", "ethereum", "lido").encode(), b"theirs"])


def test_redis_can_be_cleared_later_as_well(uninstall: Run, full: redis.Redis, redis_url: str) -> None:
    uninstall()
    uninstall("--redis-url", redis_url, "--clear-redis")
    assert full.exists(STREAM, cache_key("tvl", "ethereum", "lido")) == 0


def test_what_stays_in_redis_as_json(uninstall: Run, full: redis.Redis, redis_url: str) -> None:
    document = uninstall("--redis-url", redis_url, "--json").document
    assert document["redis"] == {"entries": 2, "stream_events": 3, "is_cleared": False}


def test_a_redis_that_is_to_be_cleared_and_does_not_answer_keeps_all_as_it_is(
    uninstall: Run, writer: psycopg.Connection
) -> None:
    done = uninstall("--redis-url", "redis://:s3cret@127.0.0.1:1/0", "--clear-redis")
    assert (done.code, "s3cret" in done.err, is_installed(writer)) == (2, False, True)


def test_a_redis_that_does_not_answer_holds_up_no_removal(uninstall: Run, writer: psycopg.Connection) -> None:
    done = uninstall("--redis-url", "redis://127.0.0.1:1/0")
    assert (done.code, "What it holds of rtp stays there" in done.err, is_installed(writer)) == (0, True, False)


def test_without_an_address_of_redis_there_is_nothing_to_clear(uninstall: Run, writer: psycopg.Connection) -> None:
    done = uninstall("--clear-redis")
    line = "there is no Redis address. Set RTP_REDIS_URL, redis.url or --redis-url\n"
    assert (done.code, done.err, is_installed(writer)) == (2, line, True)
