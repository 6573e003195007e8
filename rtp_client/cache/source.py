"""The watched tables as the cache's source: what they hold for an entity now. Synchronous and asynchronous."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from rtp_client.answer_timeout import AnswerTimeout
from rtp_client.cache.loading import Owner, TableRow
from rtp_client.cache.lookup import COLUMN_TYPES, current_query, table_literal
from rtp_client.cache.options import ANSWER_TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS
from rtp_client.errors import TableRefused, one_line
from rtp_client.postgres import AsyncTimedConnection, TimedConnection, address, unavailable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, MutableMapping, Sequence

    from psycopg import sql

    from rtp_client.cache.options import CacheOptions
    from rtp_client.cache.table import Table
    from rtp_client.errors import ServiceUnavailable

_CONNECTIONS = 4


class Question(NamedTuple):
    """A query, and its parameters; the answer is all of its rows."""

    query: bytes | sql.Composed
    parameters: Mapping[str, Any]


class SourceBase:
    """The part of a source that does no I/O: which tables to ask, and what their answers mean."""

    def __init__(self, dsn: str, options: CacheOptions) -> None:
        self._dsn = dsn
        timeout_seconds = options.get("connect_timeout_seconds", CONNECT_TIMEOUT_SECONDS)
        # A table without a fitting index may take its time: no haste.
        answer_seconds = options.get("answer_timeout_seconds", ANSWER_TIMEOUT_SECONDS)
        self._answer_timeout = AnswerTimeout(answer_seconds, first_seconds=answer_seconds)
        self._prepares = options.get("prepares", True)
        self._tables: dict[str, list[Table]] = defaultdict(list)
        for table in options.get("tables", ()):
            self._tables[table.kind].append(table)
        self._queries: dict[Table, sql.Composed] = {}
        connecting = {
            "autocommit": True,
            "connect_timeout": max(1, round(timeout_seconds)),
            "application_name": "rtp cache",
            "client_encoding": "utf8",  # see core/services/postgres.py
        }
        self._pooling: dict[str, Any] = {
            "conninfo": dsn,
            "kwargs": connecting,
            "min_size": 0,
            "max_size": _CONNECTIONS,
            "open": False,
            "timeout": timeout_seconds,
        }

    def _questions(
        self, owners: Iterable[Owner], rows: MutableMapping[Owner, TableRow]
    ) -> Generator[Question, Sequence[Any], None]:
        """What to ask, one by one; takes each answer, and fills `rows`. Where two tables have one, the first counts."""
        by_kind: dict[str, list[Owner]] = defaultdict(list)
        for owner in owners:
            by_kind[owner.kind].append(owner)
        for kind, asked in by_kind.items():
            # PostgreSQL's text holds no NUL, so nobody is called like that.
            named = [owner for owner in asked if "\0" not in owner.chain + owner.entity]
            parameters = {"chains": [owner.chain for owner in named], "entities": [owner.entity for owner in named]}
            for table in self._tables[kind]:
                try:
                    if table not in self._queries:
                        self._queries[table] = yield from self._query(table)
                    found = yield Question(self._queries[table], parameters)
                except psycopg.ProgrammingError as error:
                    self._queries.pop(table, None)  # what was there when it was made may be gone
                    raise self._refused(table, one_line(error)) from error
                for chain, entity, value, as_of in found:
                    rows.setdefault(Owner(kind, chain, entity), TableRow(value, as_of))

    def _query(self, table: Table) -> Generator[Question, Sequence[Any], sql.Composed]:
        column_types = dict((yield Question(COLUMN_TYPES, {"table": table_literal(table)})))
        if missing := [column for column in table.columns if column_types and column not in column_types]:
            raise self._refused(table, f"it has no column {', '.join(missing)}")
        return current_query(table, column_types)

    def _refused(self, table: Table, cause: str) -> TableRefused:
        cause = f"table {table.name}, which {table.kind} is read from: {cause}"
        return TableRefused("PostgreSQL", address(self._dsn), cause, what="refuses")

    def _unavailable(self, error: psycopg.Error) -> ServiceUnavailable:
        return unavailable(self._dsn, error)


class DatabaseSource(SourceBase):
    """For threads; up to four connections, made when they are needed."""

    def __init__(self, dsn: str, options: CacheOptions) -> None:
        super().__init__(dsn, options)
        self._pool = ConnectionPool(connection_class=TimedConnection, configure=self._configure, **self._pooling)

    def rows(self, owners: Sequence[Owner]) -> Mapping[Owner, TableRow]:
        """What the tables hold for these entities. An entity that is in no table is not in the answer.

        Raises ServiceUnavailable where PostgreSQL does not answer, or refuses.
        """
        rows: dict[Owner, TableRow] = {}
        questions = self._questions(owners, rows)
        with self.connection() as connection, suppress(StopIteration):
            question = next(questions)
            while True:
                try:
                    cursor = connection.execute(question.query, question.parameters, prepare=self._prepares)
                except psycopg.ProgrammingError as error:
                    questions.throw(error)
                question = questions.send(cursor.fetchall())
        return rows

    def close(self) -> None:
        self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A connection of the pool's. Raises ServiceUnavailable."""
        try:
            self._pool.open()
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            raise self._unavailable(error) from error

    def _configure(self, connection: TimedConnection) -> None:
        connection.answer_timeout = self._answer_timeout


class AsyncDatabaseSource(SourceBase):
    """For asyncio; otherwise the same."""

    def __init__(self, dsn: str, options: CacheOptions) -> None:
        super().__init__(dsn, options)
        self._pool = AsyncConnectionPool(
            connection_class=AsyncTimedConnection, configure=self._configure, **self._pooling
        )

    async def rows(self, owners: Sequence[Owner]) -> Mapping[Owner, TableRow]:
        """See DatabaseSource."""
        rows: dict[Owner, TableRow] = {}
        questions = self._questions(owners, rows)
        try:
            await self._pool.open()
            async with self._pool.connection() as connection:
                with suppress(StopIteration):
                    question = next(questions)
                    while True:
                        try:
                            cursor = await connection.execute(
                                question.query, question.parameters, prepare=self._prepares
                            )
                        except psycopg.ProgrammingError as error:
                            questions.throw(error)
                        question = questions.send(await cursor.fetchall())
        except (psycopg.Error, PoolTimeout) as error:
            raise self._unavailable(error) from error
        return rows

    async def close(self) -> None:
        await self._pool.close()

    async def _configure(self, connection: AsyncTimedConnection) -> None:
        connection.answer_timeout = self._answer_timeout
