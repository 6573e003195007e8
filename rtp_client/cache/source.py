"""The watched tables as the cache's source: what they hold for an entity now. Synchronous and asynchronous."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from rtp_client.answer_timeout import AnswerTimeout
from rtp_client.cache.loading import Owner, TableRow
from rtp_client.cache.lookup import COLUMN_TYPES, current_query, table_literal
from rtp_client.cache.options import ANSWER_TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS
from rtp_client.postgres import AsyncTimedConnection, TimedConnection, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence

    from psycopg import sql

    from rtp_client.cache.options import CacheOptions
    from rtp_client.cache.table import Table
    from rtp_client.errors import ServiceUnavailable

_CONNECTIONS = 4


class SourceBase:
    """The part of a source that does no I/O: which tables to ask, and what their answers mean."""

    def __init__(self, dsn: str, options: CacheOptions) -> None:
        self._dsn = dsn
        self._timeout_seconds = options.get("connect_timeout_seconds", CONNECT_TIMEOUT_SECONDS)
        # A table without a fitting index may take its time: no haste.
        answer_seconds = options.get("answer_timeout_seconds", ANSWER_TIMEOUT_SECONDS)
        self._answer_timeout = AnswerTimeout(answer_seconds, first_seconds=answer_seconds)
        self._tables: dict[str, list[Table]] = defaultdict(list)
        for table in options.get("tables", ()):
            self._tables[table.kind].append(table)
        self._queries: dict[Table, sql.Composed] = {}
        self._connecting: dict[str, Any] = {
            "autocommit": True,
            "connect_timeout": max(1, round(self._timeout_seconds)),
            "application_name": "rtp cache",
        }

    def _unavailable(self, error: psycopg.Error) -> ServiceUnavailable:
        return unavailable(self._dsn, error)


def by_kind(owners: Iterable[Owner]) -> dict[str, list[Owner]]:
    """Owners grouped by their kind."""
    groups: dict[str, list[Owner]] = defaultdict(list)
    for owner in owners:
        groups[owner.kind].append(owner)
    return groups


def parameters(owners: Iterable[Owner]) -> dict[str, list[str]]:
    """The query's parameters. PostgreSQL's text holds no NUL, so nobody is called like that."""
    named = [owner for owner in owners if "\0" not in owner.chain + owner.entity]
    return {"chains": [owner.chain for owner in named], "entities": [owner.entity for owner in named]}


def note(kind: str, answer: Sequence[tuple[str, str, str, str]], rows: MutableMapping[Owner, TableRow]) -> None:
    """Add what a table holds; where two hold the same entity, the one that is named first counts."""
    for chain, entity, value, as_of in answer:
        rows.setdefault(Owner(kind, chain, entity), TableRow(value, as_of))


class DatabaseSource(SourceBase):
    """For threads; up to four connections, made when they are needed."""

    def __init__(self, dsn: str, options: CacheOptions) -> None:
        super().__init__(dsn, options)
        self._pool = ConnectionPool(
            dsn,
            connection_class=TimedConnection,
            configure=self._configure,
            kwargs=self._connecting,
            min_size=0,
            max_size=_CONNECTIONS,
            open=False,
            timeout=self._timeout_seconds,
        )

    def rows(self, owners: Sequence[Owner]) -> Mapping[Owner, TableRow]:
        """What the tables hold for these entities. An entity that is in no table is not in the answer.

        Raises ServiceUnavailable where PostgreSQL does not answer, or refuses.
        """
        rows: dict[Owner, TableRow] = {}
        with self.connection() as connection:
            for kind, asked in by_kind(owners).items():
                for table in self._tables[kind]:
                    query = self._query(connection, table)
                    note(kind, connection.execute(query, parameters(asked), prepare=True).fetchall(), rows)
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

    def _query(self, connection: psycopg.Connection, table: Table) -> sql.Composed:
        if (query := self._queries.get(table)) is None:
            types: dict[str, str] = dict(connection.execute(COLUMN_TYPES, {"table": table_literal(table)}).fetchall())
            query = self._queries[table] = current_query(table, types)
        return query


class AsyncDatabaseSource(SourceBase):
    """For asyncio; otherwise the same."""

    def __init__(self, dsn: str, options: CacheOptions) -> None:
        super().__init__(dsn, options)
        self._pool = AsyncConnectionPool(
            dsn,
            connection_class=AsyncTimedConnection,
            configure=self._configure,
            kwargs=self._connecting,
            min_size=0,
            max_size=_CONNECTIONS,
            open=False,
            timeout=self._timeout_seconds,
        )

    async def rows(self, owners: Sequence[Owner]) -> Mapping[Owner, TableRow]:
        """See DatabaseSource."""
        rows: dict[Owner, TableRow] = {}
        try:
            await self._pool.open()
            async with self._pool.connection() as connection:
                for kind, asked in by_kind(owners).items():
                    for table in self._tables[kind]:
                        query = await self._query(connection, table)
                        cursor = await connection.execute(query, parameters(asked), prepare=True)
                        note(kind, await cursor.fetchall(), rows)
        except (psycopg.Error, PoolTimeout) as error:
            raise self._unavailable(error) from error
        return rows

    async def _configure(self, connection: AsyncTimedConnection) -> None:
        connection.answer_timeout = self._answer_timeout

    async def close(self) -> None:
        await self._pool.close()

    async def _query(self, connection: psycopg.AsyncConnection, table: Table) -> sql.Composed:
        if (query := self._queries.get(table)) is None:
            cursor = await connection.execute(COLUMN_TYPES, {"table": table_literal(table)})
            query = self._queries[table] = current_query(table, dict(await cursor.fetchall()))
        return query
