"""An event says of the row whose value it tells what that row says of itself, whoever or whatever brought it about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.judging.sample_windows import Limits
from tests.judging import judge_ticks, judge_waiting
from tests.watching import install

NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
COLUMNS = {
    **{"chain": "chain", "protocol": "protocol", "value": "usd"},
    **{"changed_at": "at", "confidence": "trust", "provenance": "feed"},
}
RATES: dict[str, Any] = {
    "kind": "tvl",
    "table": "rates",
    "columns": COLUMNS,
    "percent": 5,
    "confidence": 0.9,
    "provenance": "desk",
}
GUARD = {"factor": 2, "confirmations": 5, "release_after": "5m"}
Told = tuple[str, str | None, float, str | None, datetime]
Watch = Callable[..., psycopg.Connection]


@pytest.fixture
def watch(writer: psycopg.Connection) -> Watch:
    """Watches rates by these rules: a row per protocol, or with `shape` history a row per sample."""

    def watch_by(**rules: Any) -> psycopg.Connection:
        create_rates(writer, key="" if rules.get("shape") == "history" else ", PRIMARY KEY (chain, protocol)")
        install(writer, rates={**RATES, **rules})
        return writer

    return watch_by


def create_rates(connection: psycopg.Connection, *, key: str = ", PRIMARY KEY (chain, protocol)") -> None:
    columns = f"chain text, protocol text, usd numeric, at timestamptz, trust float, feed text{key}"
    connection.execute(f"CREATE TABLE public.rates ({columns})".encode())


def write(
    connection: psycopg.Connection, usd: float | None, minute: int, trust: float | None, feed: str | None
) -> None:
    connection.execute(
        "INSERT INTO rates VALUES ('base', 'lido', %s, %s, %s, %s) ON CONFLICT (chain, protocol) DO UPDATE"
        " SET (usd, at, trust, feed) = (excluded.usd, excluded.at, excluded.trust, excluded.feed)",
        [usd, at(minute), trust, feed],
    )


def append(connection: psycopg.Connection, usd: float, time: datetime) -> None:
    connection.execute("INSERT INTO rates VALUES ('base', 'lido', %s, %s, 0.3, 'dune')", [usd, time])
    judge_waiting(connection)


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def let_time_pass(connection: psycopg.Connection, **how_long: int) -> None:
    """Everything rtp remembers happened so much earlier."""
    connection.execute(
        "UPDATE rtp.baseline SET reported_at = reported_at - %(pause)s, suspect_since = suspect_since - %(pause)s,"
        " due_at = due_at - %(pause)s, sampled_at = sampled_at - %(pause)s",
        {"pause": timedelta(**how_long)},
    )
    judge_ticks(connection)


def told(connection: psycopg.Connection) -> list[Told]:
    return connection.execute(
        "SELECT reason, current::text, confidence, provenance, changed_at FROM rtp.event ORDER BY id"
    ).fetchall()


# What time brings about


def test_a_heartbeat_tells_of_the_newest_row(watch: Watch) -> None:
    connection = watch(heartbeat="1h")
    write(connection, 100, 1, 0.7, "llama")
    write(connection, 101, 2, 0.3, "dune")
    judge_waiting(connection)
    let_time_pass(connection, minutes=61)
    assert told(connection) == [("heartbeat", "101", 0.3, "dune", at(2))]


def test_the_end_of_a_cooldown_tells_of_the_row_that_was_held_back(watch: Watch) -> None:
    connection = watch(cooldown="1h")
    write(connection, 100, 1, 0.7, "llama")
    write(connection, 150, 2, 0.3, "dune")
    judge_waiting(connection)
    let_time_pass(connection, minutes=61)
    assert told(connection) == [("deviation", "150", 0.3, "dune", at(2))]


def test_a_released_jump_tells_of_the_row_in_quarantine(watch: Watch) -> None:
    connection = watch(glitch_guard=GUARD)
    write(connection, 100, 1, 0.7, "llama")
    write(connection, 300, 2, 0.3, "dune")
    judge_waiting(connection)
    let_time_pass(connection, minutes=6)
    assert told(connection) == [("deviation", "300", 0.3, "dune", at(2))]


def test_a_heartbeat_while_a_jump_is_in_quarantine_tells_of_the_row_before(watch: Watch) -> None:
    connection = watch(heartbeat="1m", glitch_guard={**GUARD, "release_after": "1d"})
    write(connection, 100, 1, 0.7, "llama")
    write(connection, 300, 2, 0.3, "dune")
    judge_waiting(connection)
    let_time_pass(connection, minutes=2)
    assert told(connection) == [("heartbeat", "100", 0.7, "llama", at(1))]


def test_of_what_the_table_held_at_installation_a_heartbeat_tells_what_its_row_says(writer: psycopg.Connection) -> None:
    create_rates(writer)
    write(writer, 100, 1, 0.3, "dune")
    install(writer, rates={**RATES, "heartbeat": "1h"})
    judge_ticks(writer)
    let_time_pass(writer, minutes=61)
    assert told(writer) == [("heartbeat", "100", 0.3, "dune", at(1))]


def test_where_a_trigger_judged_before_a_heartbeat_tells_what_the_row_says(watch: Watch) -> None:
    connection = watch()
    write(connection, 100, 1, 0.7, "llama")
    write(connection, 101, 2, 0.3, "dune")
    install(connection, rates={**RATES, "heartbeat": "1h"})
    judge_ticks(connection)
    let_time_pass(connection, minutes=61)
    assert told(connection) == [("heartbeat", "101", 0.3, "dune", at(2))]


def test_of_what_is_known_from_before_an_upgrade_a_heartbeat_tells_the_time(watch: Watch) -> None:
    connection = watch(heartbeat="1h")
    write(connection, 100, 1, 0.3, "dune")
    judge_waiting(connection)
    connection.execute(
        "UPDATE rtp.baseline SET last_changed_at = NULL, last_confidence = NULL, last_provenance = NULL, lag = NULL"
    )
    (seen_at,) = connection.execute("SELECT sampled_at FROM rtp.baseline").fetchone() or (None,)
    let_time_pass(connection, minutes=61)
    assert told(connection) == [("heartbeat", "100", 0.9, "desk", seen_at - timedelta(minutes=61))]


def test_where_the_row_says_nothing_the_watch_does(watch: Watch) -> None:
    connection = watch(heartbeat="1h")
    write(connection, 100, 1, None, None)
    judge_waiting(connection)
    let_time_pass(connection, minutes=61)
    assert told(connection) == [("heartbeat", "100", 0.9, "desk", at(1))]


# Deletions


@pytest.mark.parametrize("statement", ["DELETE FROM rates", "TRUNCATE rates"])
@pytest.mark.parametrize("newest", [101, 300])
def test_a_deletion_tells_what_the_row_that_is_gone_has_said(watch: Watch, statement: str, newest: int) -> None:
    connection = watch(glitch_guard=GUARD)
    write(connection, 100, 1, 0.7, "llama")
    write(connection, newest, 2, 0.3, "dune")
    (before,) = connection.execute("SELECT clock_timestamp()").fetchone() or (None,)
    connection.execute(statement.encode())
    judge_waiting(connection)
    ((reason, current, confidence, provenance, changed_at),) = told(connection)
    assert (reason, current, confidence, provenance) == ("deleted", None, 0.3, "dune")
    assert changed_at >= before


@pytest.mark.parametrize("statement", ["DELETE FROM rates", "TRUNCATE rates"])
def test_where_a_trigger_judges_a_deletion_tells_the_same(watch: Watch, statement: str) -> None:
    connection = watch(heartbeat="1h")
    write(connection, 100, 1, 0.7, "llama")
    judge_waiting(connection)
    install(connection, rates=RATES)
    write(connection, 101, 2, 0.3, "dune")
    connection.execute(statement.encode())
    judge_waiting(connection)
    deletions = [(sure, source) for reason, _, sure, source, _ in told(connection) if reason == "deleted"]
    assert deletions == [(0.3, "dune")]


def test_a_row_that_is_gone_before_its_deletion_is_read_tells_the_same(
    watch: Watch, connect_again: Callable[[], psycopg.Connection]
) -> None:
    """The look that its value asks for finds no row any more: what that said stands in the sample of the deletion."""
    writer = watch()
    write(writer, 100, 1, 0.7, "llama")
    judge_waiting(writer)
    snapshots = connect_again()
    snapshots.execute("SET default_transaction_isolation = 'repeatable read'")
    write(snapshots, 200, 2, 0.3, "dune")
    snapshots.execute("DELETE FROM rates")
    judge_waiting(writer, limits=Limits(rows=1, portion=1, piece=1))
    deletions = [(sure, source) for reason, _, sure, source, _ in told(writer) if reason == "deleted"]
    assert deletions == [(0.3, "dune")]


# The entity's own clock


def test_a_jump_is_released_by_the_samples_own_time(watch: Watch) -> None:
    """Samples come ten minutes late: by the server's clock, five minutes had always passed."""
    connection = watch(shape="history", glitch_guard=GUARD)
    start = datetime.now(UTC) - timedelta(minutes=10)
    for second, usd in enumerate((101, 300, 100.5, 300)):
        append(connection, usd, start + timedelta(seconds=second))
        judge_ticks(connection)
    assert told(connection) == []
    let_time_pass(connection, minutes=4)
    assert told(connection) == []
    let_time_pass(connection, minutes=1)
    assert [(reason, current) for reason, current, *_ in told(connection)] == [("deviation", "300")]


def test_a_heartbeat_is_due_when_the_samples_own_time_has_come(watch: Watch) -> None:
    connection = watch(shape="history", heartbeat="1h")
    append(connection, 100, datetime.now(UTC) - timedelta(hours=3))
    let_time_pass(connection, minutes=59)
    assert told(connection) == []
    let_time_pass(connection, minutes=2)
    assert [reason for reason, *_ in told(connection)] == ["heartbeat"]


def test_where_samples_come_sooner_than_before_so_does_a_heartbeat(watch: Watch) -> None:
    connection = watch(shape="history", heartbeat="1h")
    now = datetime.now(UTC)
    append(connection, 100, now - timedelta(minutes=50))
    append(connection, 100.1, now - timedelta(minutes=40))
    append(connection, 100.2, now)
    let_time_pass(connection, minutes=11)
    assert [reason for reason, *_ in told(connection)] == ["heartbeat"]
