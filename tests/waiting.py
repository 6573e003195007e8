"""Which events a sink has not got yet, as its saved cursor says, looked at one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

_READ_WAITING = """
SELECT e.id
FROM rtp.event AS e, rtp.cursor AS c
WHERE c.sink = %(sink)s
  AND NOT pg_visible_in_snapshot(e.xid, c.snapshot)
  AND NOT (c.until IS NOT NULL AND pg_visible_in_snapshot(e.xid, c.until) AND e.id <= c.after_id)
"""


def read_waiting(connection: psycopg.Connection, sink: str) -> set[int]:
    """The committed events behind the sink's saved cursor."""
    return {row[0] for row in connection.execute(_READ_WAITING, {"sink": sink})}


def count_waiting(connection: psycopg.Connection, sink: str) -> int:
    """How many these are."""
    return len(read_waiting(connection, sink))
