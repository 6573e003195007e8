"""Statements that are prepared once: the same answers and errors as a cursor's."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from core.services.postgres import connect
from core.services.prepared import PreparedStatement
from rtp_client.answer_timeout import AnswerTimeout

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
