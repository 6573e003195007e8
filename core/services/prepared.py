"""Statements that run hundreds of times a second, without what makes psycopg's cursors convenient.

A cursor converts the query, adapts each parameter by its type and builds a row maker, every time: half of what a small
read costs here. These are prepared once. Their parameters travel as text, whose types the casts in the query name, and
their rows come in binary.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from psycopg import errors
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, Format

from rtp_client.postgres import answer_to_sent

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg
    from psycopg.pq.abc import PGresult

_PARAMETER = re.compile(rb"%\((\w+)\)s")


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
            self._answer()

    def fetch(self, values: Mapping[str, str | float | None]) -> list[tuple[Any, ...]]:
        """Execute, and return all rows; `values` may hold more than the statement takes."""
        texts = [None if (value := values[name]) is None else str(value).encode() for name in self._parameters]
        with self._connection.lock:
            self._connection.pgconn.send_query_prepared(self._name, texts, result_format=Format.BINARY)
            answer = self._answer()
        self._rows.set_pgresult(answer)
        return self._rows.load_rows(0, answer.ntuples, tuple)

    def _answer(self) -> PGresult:
        answer = answer_to_sent(self._connection)
        if answer.status not in {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}:
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

    def fetch(self, name: str, values: Mapping[str, str | float | None]) -> list[tuple[Any, ...]]:
        """Execute one, and return all rows."""
        statement = self._prepared.get(name)
        if statement is None:
            statement = self._prepared[name] = PreparedStatement(self._connection, f"rtp_{name}", self._queries[name])
        return statement.fetch(values)
