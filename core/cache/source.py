"""The watched tables as the cache's source: what they hold for an entity now. Synchronous and asynchronous."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from core.cache.loading import Owner, Row
from core.cache.lookup import QUERIES, current_query, table_literal
from core.errors import ServiceUnavailable
from core.kinds import SHIPPED
from core.services.answer_timeout import AnswerTimeout
from core.services.connection import AsyncTimedConnection, TimedConnection
from core.services.postgres import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence

    from psycopg import sql

    from core.settings.models import Settings
    from core.settings.watches import Watch

_CONNECTIONS = 4


class Source:
    """The part of a source that does no I/O: which tables to ask, and what their answers mean."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        self._dsn = dsn
        self._timeout_seconds = settings.postgres.connect_timeout_seconds
        # A table without a fitting index may take its time: no haste.
        answer_seconds = settings.postgres.answer_timeout_seconds
        self._answer_timeout = AnswerTimeout(answer_seconds, first_seconds=answer_seconds)
        self._watches: dict[str, dict[str, Watch]] = {kind: {} for kind in SHIPPED}
        for name, watch in settings.watches.items():
            self._watches[watch.kind][name] = watch
        self._queries: dict[str, sql.Composed] = {}
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


def note(kind: str, answer: Sequence[tuple[str, str, str, str]], rows: MutableMapping[Owner, Row]) -> None:
    """Add what a table holds; where two hold the same entity, the watch that is first in the settings counts."""
    for chain, entity, value, as_of in answer:
        rows.setdefault(Owner(kind, chain, entity), Row(value, as_of))


class DatabaseSource(Source):
    """For threads; up to four connections, made when they are needed."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        super().__init__(settings, dsn)
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

    def rows(self, owners: Sequence[Owner]) -> Mapping[Owner, Row]:
        """What the tables hold for these entities; who is not in them is not in the answer.

        Raises ServiceUnavailable where PostgreSQL does not answer, or refuses.
        """
        rows: dict[Owner, Row] = {}
        with self._connection() as connection:
            for kind, asked in by_kind(owners).items():
                for name, watch in self._watches[kind].items():
                    query = self._query(connection, name, watch)
                    note(kind, connection.execute(query, parameters(asked), prepare=True).fetchall(), rows)
        return rows

    def known(self, kind: str, limit: int) -> list[tuple[str, str]]:
        """The chain and name of the entities of a kind that were reported last. Raises ServiceUnavailable."""
        names = list(self._watches[kind])
        with self._connection() as connection:
            return connection.execute(QUERIES["known"], {"watches": names, "limit": limit}).fetchall()

    def now(self) -> str:
        """The database's clock, as entries carry it. Raises ServiceUnavailable."""
        with self._connection() as connection:
            row = connection.execute(QUERIES["now"]).fetchone()
        return str(row[0]) if row else ""

    def close(self) -> None:
        """Give the connections back."""
        self._pool.close()

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        try:
            self._pool.open()
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            raise self._unavailable(error) from error

    def _configure(self, connection: TimedConnection) -> None:
        connection.answer_timeout = self._answer_timeout

    def _query(self, connection: psycopg.Connection, name: str, watch: Watch) -> sql.Composed:
        if (query := self._queries.get(name)) is None:
            types: dict[str, str] = dict(
                connection.execute(QUERIES["column_types"], {"table": table_literal(watch)}).fetchall()
            )
            query = self._queries[name] = current_query(watch, types)
        return query


class AsyncDatabaseSource(Source):
    """For asyncio; otherwise the same."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        super().__init__(settings, dsn)
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

    async def rows(self, owners: Sequence[Owner]) -> Mapping[Owner, Row]:
        """See DatabaseSource."""
        rows: dict[Owner, Row] = {}
        try:
            await self._pool.open()
            async with self._pool.connection() as connection:
                for kind, asked in by_kind(owners).items():
                    for name, watch in self._watches[kind].items():
                        query = await self._query(connection, name, watch)
                        cursor = await connection.execute(query, parameters(asked), prepare=True)
                        note(kind, await cursor.fetchall(), rows)
        except (psycopg.Error, PoolTimeout) as error:
            raise self._unavailable(error) from error
        return rows

    async def _configure(self, connection: AsyncTimedConnection) -> None:
        connection.answer_timeout = self._answer_timeout

    async def close(self) -> None:
        """Give the connections back."""
        await self._pool.close()

    async def _query(self, connection: psycopg.AsyncConnection, name: str, watch: Watch) -> sql.Composed:
        if (query := self._queries.get(name)) is None:
            cursor = await connection.execute(QUERIES["column_types"], {"table": table_literal(watch)})
            query = self._queries[name] = current_query(watch, dict(await cursor.fetchall()))
        return query
