"""Statements that are prepared once: the same answers and errors as a cursor's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from core.services import prepared
from core.services.postgres import connect, is_lost_connection
from core.services.prepared import Call, PreparedStatement, PreparedStatements, execute_all
from rtp_client.answer_timeout import AnswerTimeout

QUERIES = {
    "begin": b"BEGIN",
    "note": b"INSERT INTO noted VALUES (%(number)s::bigint, %(text)s)",
    "divide": b"SELECT 1 / (%(number)s::bigint - 7)",
    "commit": b"COMMIT",
}
VALUES: dict[str, str | float | None] = {
    "text": "%s' 100 %",
    "number": 7,
    "nothing": None,
    "share": 0.25,
    "unused": "x",
}


@pytest.fixture
def connection(database: str) -> psycopg.Connection:
    return connect(database, role="prepared")


@pytest.mark.parametrize(
    ("query", "row"),
    [
        (b"SELECT %(number)s::bigint, %(text)s, %(number)s::bigint + 1", (7, VALUES["text"], 8)),
        (b"SELECT %(nothing)s::text, %(share)s::double precision", (None, 0.25)),
        (b"SELECT '2024-01-02 03:04:05.5Z'::timestamptz", (datetime(2024, 1, 2, 3, 4, 5, 500_000, UTC),)),
    ],
    ids=["a parameter twice", "null and a fraction", "no parameter"],
)
def test_it_answers_as_a_cursor_does(connection: psycopg.Connection, query: bytes, row: tuple[object, ...]) -> None:
    with connection:
        assert PreparedStatement(connection, "one", query).fetch(VALUES) == [row]


def test_a_statement_without_rows_has_none(connection: psycopg.Connection) -> None:
    with connection:
        assert PreparedStatement(connection, "one", b"SELECT 1 WHERE %(number)s::bigint = 0").fetch(VALUES) == []


def test_what_the_server_refuses_is_psycopgs_error(connection: psycopg.Connection) -> None:
    with connection, pytest.raises(psycopg.errors.DivisionByZero, match="division by zero"):
        PreparedStatement(connection, "one", b"SELECT 1 / (%(number)s::bigint - 7)").fetch(VALUES)


def test_it_can_be_executed_again_after_an_error(connection: psycopg.Connection) -> None:
    with connection:
        statement = PreparedStatement(connection, "one", b"SELECT 1 / %(number)s::bigint")
        with pytest.raises(psycopg.errors.DivisionByZero):
            statement.fetch({"number": 0})
        assert statement.fetch({"number": 1}) == [(1,)]


def test_a_query_that_does_not_parse_is_refused_at_once(connection: psycopg.Connection) -> None:
    with connection, pytest.raises(psycopg.errors.UndefinedTable):
        PreparedStatement(connection, "one", b"SELECT FROM no_such_table")


def test_a_statement_larger_than_the_line_holds_is_sent_whole(database: str) -> None:
    with connect(database, role="prepared", answer_timeout=AnswerTimeout(20.0, first_seconds=20.0)) as connection:
        statement = PreparedStatement(connection, "one", b"SELECT length(%(text)s::text)")
        assert statement.fetch({"text": "x" * 20_000_000}) == [(20_000_000,)]


# Many in one round trip


@pytest.fixture(params=[True, False], ids=["a pipeline", "a libpq without pipelines"])
def statements(
    request: pytest.FixtureRequest, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PreparedStatements]:
    monkeypatch.setattr(prepared, "_HAS_PIPELINES", request.param)
    with connection:
        connection.execute("CREATE TABLE noted (number bigint, text text)")
        yield PreparedStatements(connection, QUERIES)


def execute(connection: psycopg.Connection, statements: PreparedStatements, *names: str, text: str = "one") -> None:
    execute_all(connection, [statements.call(name, {**VALUES, "text": text}) for name in names])


def noted(connection: psycopg.Connection) -> list[tuple[int]]:
    return connection.execute("SELECT length(text) FROM noted").fetchall()


def test_all_are_executed_in_order(connection: psycopg.Connection, statements: PreparedStatements) -> None:
    execute(connection, statements, "begin", "note", "note", "commit")
    assert noted(connection) == [(3,), (3,)]


def test_behind_one_that_fails_none_is_executed(connection: psycopg.Connection, statements: PreparedStatements) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        execute(connection, statements, "begin", "note", "divide", "commit")
    connection.rollback()
    assert noted(connection) == []
    execute(connection, statements, "note")
    assert noted(connection) == [(3,)]


def test_statements_larger_than_the_line_holds_are_sent_whole(
    connection: psycopg.Connection, statements: PreparedStatements
) -> None:
    execute(connection, statements, "note", "note", "note", text="x" * 5_000_000)
    assert noted(connection) == [(5_000_000,)] * 3


def test_where_the_session_ends_in_between_the_connection_is_lost(
    connection: psycopg.Connection, statements: PreparedStatements, database: str
) -> None:
    note = statements.call("note", VALUES)
    end = Call(PreparedStatement(connection, "end", b"SELECT pg_terminate_backend(pg_backend_pid())"), {})
    with pytest.raises(psycopg.OperationalError) as caught:
        execute_all(connection, [statements.call("begin", {}), note, end, note, statements.call("commit", {})])
    assert is_lost_connection(caught.value)
    assert "terminating connection due to administrator command" in str(caught.value)
    with connect(database, role="prepared") as other:
        assert noted(other) == []


def test_a_value_that_cannot_be_sent_is_named_and_ends_what_is_half_sent(connection: psycopg.Connection) -> None:
    with connection:
        say = PreparedStatement(connection, "say", b"SELECT %(text)s::text")
        with pytest.raises(UnicodeEncodeError):
            execute_all(connection, [Call(say, {"text": "one"}), Call(say, {"text": "\ud800"})])
        assert connection.closed


def test_what_is_not_answered_in_time_is_given_up(database: str) -> None:
    with connect(database, role="prepared", answer_timeout=AnswerTimeout(0.1, first_seconds=0.1)) as connection:
        sleep = PreparedStatement(connection, "sleep", b"SELECT pg_sleep(5)")
        with pytest.raises(psycopg.OperationalError, match="no answer"):
            execute_all(connection, [Call(sleep, {})])
