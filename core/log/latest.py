"""The newest event of every entity: what a cache holds that has missed nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import tuple_row

from core.log.rows import LogRow
from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

_QUERIES = queries("core.sql", "latest.sql")


def latest_events(connection: Connection, page_size: int) -> Iterator[list[LogRow]]:
    """Every entity's newest event, oldest first, in pages; as of one moment, however long the reading takes.

    Needs memory for one page only. While it is open no slot of the log is emptied.
    """
    fetch = sql.SQL("FETCH {} FROM latest_events").format(page_size)
    # Not psycopg's own server-side cursor: it wants to close what a lost connection has closed already, and fails.
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_QUERIES["declare_latest_events"], prepare=False)
        while rows := cursor.execute(fetch, prepare=False).fetchall():
            yield [LogRow._make(row) for row in rows]
