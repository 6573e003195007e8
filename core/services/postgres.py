"""Connections to PostgreSQL, and the named queries that live in `.sql` files."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import psycopg

from core.errors import ConnectionLost, StatementRefused
from rtp_client.answer_timeout import AnswerTimeout
from rtp_client.postgres import TimedConnection, address, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import LiteralString

    from core.errors import ServiceUnavailable

# What rtp reads and writes must not depend on what a role's, a database's or a server's settings say.
_TEXTS = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "standard_conforming_strings": "on",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
}
# Nor does how its own tables are kept: a partitioned one must not even name the database's own tablespace.
_TABLES = {"default_tablespace": "", "default_table_access_method": "heap"}
OWN_SETTINGS = _TEXTS | _TABLES | {"search_path": "pg_catalog, pg_temp"}
# The server, too, should notice within half a minute that the client is gone: until then it keeps the session's locks.
_KEEPALIVE = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
# A process of rtp's waits for work in its statements, and gives up by its own clock.
_PATIENCE = {
    "default_transaction_isolation": "read committed",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


def _assign(settings: Mapping[str, str], *, until_commit: bool) -> bytes:
    calls = (f"set_config('{name}', '{value}', {until_commit})" for name, value in settings.items())
    return f"SELECT {', '.join(calls)}".encode()


_SESSION = _assign(_TEXTS | _KEEPALIVE, until_commit=False)
_PROCESS = _assign(OWN_SETTINGS | _KEEPALIVE | _PATIENCE, until_commit=False)
_TRANSACTION = _assign(OWN_SETTINGS, until_commit=True)
_QUERY_NAME = re.compile(rb"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def queries(package: str, filename: str) -> Mapping[str, bytes]:
    """The queries of one `.sql` file by name; each block starts with a line `-- name: what_it_does`.

    The comment lines after the name stay in the query: they show up in pg_stat_activity and in the server's log,
    where someone may wonder what a statement is for.
    """
    text = files(package).joinpath(filename).read_bytes()
    names_and_bodies = _QUERY_NAME.split(text)[1:]
    return {
        name.decode(): body.strip() for name, body in zip(names_and_bodies[::2], names_and_bodies[1::2], strict=True)
    }


@dataclass(frozen=True)
class DatabaseServer:
    """A PostgreSQL server, and how long to wait for it, in seconds: to connect, and for the answer to a statement."""

    dsn: str = field(repr=False)
    connect_seconds: float = 5
    answer_seconds: float | None = None
    _answer_timeouts: dict[str, AnswerTimeout] = field(default_factory=dict, repr=False, compare=False)

    def connect(self, role: str, *, is_hasty: bool = True) -> psycopg.Connection:
        """As the function `connect`. Each role has an answer timeout of its own, which outlives its connections.

        Without `is_hasty` the first wait, too, is as long as the settings allow: for statements that take their time.
        """
        return self._connect(role, is_hasty=is_hasty, session=_PROCESS)

    def connect_bare(self, role: str) -> psycopg.Connection:
        """The same with a session as the server gives it, which may be somebody else's next."""
        return self._connect(role, is_hasty=True, session=None)

    def _connect(self, role: str, *, is_hasty: bool, session: bytes | None) -> psycopg.Connection:
        answer_timeout = None
        if self.answer_seconds is not None:
            first_seconds = None if is_hasty else self.answer_seconds
            answer_timeout = self._answer_timeouts.setdefault(
                role, AnswerTimeout(self.answer_seconds, first_seconds=first_seconds)
            )
        return connect(
            self.dsn,
            role=role,
            timeout_seconds=self.connect_seconds,
            answer_timeout=answer_timeout,
            session=session,
        )

    @property
    def address(self) -> str:
        """Where it is, fit for a person's eyes."""
        return address(self.dsn)

    def unavailable(self, error: psycopg.Error) -> ServiceUnavailable:
        """As the function `unavailable`."""
        return unavailable(self.dsn, error)

    def failure(self, error: psycopg.Error, holders: str = "") -> ConnectionLost | StatementRefused:
        """What a statement raised, as rtp's own error; `holders` are those who have the lock that it waited for."""
        found = self.unavailable(error)
        kind = ConnectionLost if is_lost_connection(error) else StatementRefused
        return kind(found.service, found.address, f"{found.cause}, held by {holders}" if holders else found.cause)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Within, an error of psycopg's is raised as ConnectionLost or StatementRefused."""
        try:
            yield
        except psycopg.Error as error:
            raise self.failure(error) from error


def is_lost_connection(error: psycopg.Error) -> bool:
    """Whether the connection has ended, rather than the server refused a statement."""
    # Without an SQLSTATE it is the client's own finding; class 57P is the server's word that it ends the session.
    code = error.sqlstate
    return isinstance(error, psycopg.OperationalError) and (code is None or code.startswith(("08", "57P")))


def connect(
    dsn: str,
    *,
    role: str,
    timeout_seconds: float = 5,
    answer_timeout: AnswerTimeout | None = None,
    session: bytes | None = _SESSION,
) -> psycopg.Connection:
    """A connection in autocommit mode, in UTC, that calls itself `rtp <role>`.

    With `answer_timeout`, a statement that is not answered for so long fails, and the connection is closed. `session`
    sets what the session depends on; None leaves it alone, for those who only work in an `own_transaction`.
    Raises ServiceUnavailable, with the password taken out of the address, where the server does not answer.
    """
    try:
        connection = TimedConnection.connect(
            dsn,
            autocommit=True,
            connect_timeout=max(1, round(timeout_seconds)),
            application_name=f"rtp {role}",
            client_encoding="utf8",  # a database of SQL_ASCII names none, and psycopg would take its text for bytes
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
        connection.answer_timeout = answer_timeout
        if session is None:
            connection.prepare_threshold = None  # a prepared statement is the session's, too
        else:
            connection.execute(session)
    except psycopg.Error as error:
        raise unavailable(dsn, error) from error
    return connection


@contextmanager
def own_transaction(connection: psycopg.Connection, mode: LiteralString = "") -> Iterator[None]:
    """A transaction, or a part of one, with the settings that rtp depends on. None of them outlives the transaction.

    A pooler may give the session to somebody else afterwards. `mode` is as SET TRANSACTION takes it: `READ ONLY`.
    """
    with connection.transaction():
        if mode:
            connection.execute(f"SET TRANSACTION {mode}")
        connection.execute(_TRANSACTION)
        yield
