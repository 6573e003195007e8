"""How many events a sink has not got yet, counted one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

_COUNT_WAITING = """
SELECT count(*)
FROM rtp.event AS e, rtp.cursor AS c
WHERE c.sink = %(sink)s
  AND NOT pg_visible_in_snapshot(e.xid, c.snapshot)
  AND NOT (c.until IS NOT NULL AND pg_visible_in_snapshot(e.xid, c.until) AND e.id <= c.after_id)
"""


def count_waiting(connection: psycopg.Connection, sink: str) -> int:
    """The committed events behind the sink's saved cursor."""
    row = connection.execute(_COUNT_WAITING, {"sink": sink}).fetchone()
    assert row is not None
    return int(row[0])
