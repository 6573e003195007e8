"""Who has a lock that rtp waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import Connection

_QUERIES = queries("core.sql", "locks.sql")
_MOST_NAMED = 3
AWAKE_KEY = 1
"""rtp's advisory lock (7500912, 1): somebody polls."""
INSTALLATION = "rtp.installation"
"""The table that an installation locks: no judge writes meanwhile, and no other installation begins."""


def holders_of_table(connection: Connection, table: str) -> str:
    """The other sessions that have locked more of a table than reading takes; empty where there is none."""
    return _named(connection, "holders_of_table", {"table": table})


def holders_of_key(connection: Connection, key: int) -> str:
    """The other sessions that have the advisory lock (7500912, key); empty where there is none."""
    return _named(connection, "holders_of_key", {"key": key})


def holders_of_tables(connection: Connection, tables: Sequence[str]) -> str:
    """The other sessions that have locked any of some tables (`schema.table`) at all, readers last."""
    return _named(connection, "holders_of_tables", {"tables": list(tables)})


def session_name(pid: int, application: str, role: str) -> str:
    """Who a session is, in a sentence."""
    return f"pid {pid} ({application}, role {role})"


def _named(connection: Connection, query: str, values: Mapping[str, object]) -> str:
    found = connection.execute(_QUERIES[query], values).fetchall()
    more = [f"{len(found) - _MOST_NAMED} more"] if len(found) > _MOST_NAMED else []
    return ", ".join([*(session_name(*session) for session in found[:_MOST_NAMED]), *more])
