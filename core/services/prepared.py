"""Statements that run hundreds of times a second, without what makes psycopg's cursors convenient.

A cursor converts the query, adapts each parameter by its type and builds a row maker, every time: half of what a small
read costs here. These are prepared once. Their parameters travel as text, whose types the casts in the query name, and
their rows come in binary. Where none needs the answer to another, many go in one round trip.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import Pipeline, errors
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format

from rtp_client.postgres import answer_to_sent, answers_to_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import psycopg
    from psycopg.pq.abc import PGresult

    Values = Mapping[str, str | float | None]
    Rows = list[tuple[Any, ...]]

_PARAMETER = re.compile(rb"%\((\w+)\)s")
_HAS_PIPELINES = Pipeline.is_supported()  # libpq's are from 14 on
_SUCCESSES = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})


class PreparedStatement:
    """One statement of one connection. Errors are psycopg's, as with its cursors."""

    def __init__(self, connection: psycopg.Connection[Any], name: str, query: bytes) -> None:
        self._connection = connection
        self._name = name.encode()
        self._parameters = list(dict.fromkeys(found.decode() for found in _PARAMETER.findall(query)))
        self._rows = Transformer(connection)
        numbers = {parameter: b"$%d" % number for number, parameter in enumerate(self._parameters, 1)}
        numbered = _PARAMETER.sub(lambda found: numbers[found[1].decode()], query)
        with connection.lock:
            connection.pgconn.send_prepare(self._name, numbered)
            _check(answer_to_sent(connection))

    def fetch(self, values: Values) -> Rows:
        """Execute, and return all rows; `values` may hold more than the statement takes."""
        with self._connection.lock:
            self.send(values)
            answer = _check(answer_to_sent(self._connection))
        self._rows.set_pgresult(answer)
        return self._rows.load_rows(0, answer.ntuples, tuple)

    def send(self, values: Values) -> None:
        """Only send it, for somebody who has the connection's lock."""
        texts = [None if (value := values[name]) is None else str(value).encode() for name in self._parameters]
        self._connection.pgconn.send_query_prepared(self._name, texts, result_format=Format.BINARY)


class Call(NamedTuple):
    """A statement to execute, and its values."""

    statement: PreparedStatement
    values: Values


def execute_all(connection: psycopg.Connection[Any], calls: Iterable[Call]) -> None:
    """Execute statements of one connection, in this order and one round trip.

    Where one fails, none behind it is executed. What is to be done as a whole begins a transaction.
    """
    if not _HAS_PIPELINES:
        for statement, values in calls:
            statement.fetch(values)
        return
    with connection.lock:
        pgconn = connection.pgconn
        pgconn.enter_pipeline_mode()
        try:
            for statement, values in calls:
                statement.send(values)
            pgconn.pipeline_sync()
            answers = answers_to_pipeline(connection)
        except BaseException:
            pgconn.finish()  # what was sent of it has yet to be answered
            raise
        if pgconn.status == ConnStatus.OK:
            pgconn.exit_pipeline_mode()
    for answer in answers:
        _check(answer)


def _check(answer: PGresult) -> PGresult:
    if answer.status not in _SUCCESSES:
        raise errors.error_from_result(answer, encoding="utf-8")
    return answer


class PreparedStatements:
    """The statements of one connection by name, each prepared when it is first asked for."""

    def __init__(self, connection: psycopg.Connection[Any], queries: Mapping[str, bytes]) -> None:
        # Else psycopg, when it takes something back, deallocates all statements of the session, and not its own alone.
        connection.prepare_threshold = None
        self._connection = connection
        self._queries = queries
        self._prepared: dict[str, PreparedStatement] = {}

    def fetch(self, name: str, values: Values) -> Rows:
        """Execute one, and return all rows."""
        return self[name].fetch(values)

    def call(self, name: str, values: Values) -> Call:
        """One to be executed together with others."""
        return Call(self[name], values)

    def __getitem__(self, name: str) -> PreparedStatement:
        statement = self._prepared.get(name)
        if statement is None:
            statement = self._prepared[name] = PreparedStatement(self._connection, f"rtp_{name}", self._queries[name])
        return statement
