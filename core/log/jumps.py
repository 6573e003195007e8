"""Ids that a log has left out, and the names that it had before.

A log that is restored, or set back by a crash of its server, is another log: it would give ids that are taken. So it
gets another name, which is part of every event's id and tells the cache whose entries it holds, and goes on above
every id that was ever given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import Connection

_QUERIES = queries("core.sql", "jumps.sql")


class Jump(NamedTuple):
    """No id above `from_id` and up to `to_id` was ever drawn."""

    from_id: int
    to_id: int


def read_jumps(connection: Connection) -> Sequence[Jump]:
    """All jumps of the log."""
    return [Jump(*row) for row in connection.execute(_QUERIES["jumps"]).fetchall()]


def ids_between(read_id: int, newest_id: int, jumps: Iterable[Jump]) -> int:
    """How many ids may have been drawn above one and up to another."""
    left_out = (min(jump.to_id, newest_id) - max(jump.from_id, read_id) for jump in jumps)
    return max(0, newest_id - read_id - sum(max(0, ids) for ids in left_out))


def read_reached(connection: Connection) -> tuple[str, int]:
    """The log's name, and the last id that it has given."""
    row = connection.execute(_QUERIES["reached"]).fetchone()
    assert row is not None
    return row[0], row[1]


def former_names(connection: Connection) -> Sequence[str]:
    """What the log was called before."""
    return [row[0] for row in connection.execute(_QUERIES["former_names"]).fetchall()]


def jump_ahead(connection: Connection, *, above: int = 0) -> int:
    """Give the log another name, and have it go on above all that was ever given; the last id that it leaves out."""
    row = connection.execute(_QUERIES["jump"], {"above": above}).fetchone()
    assert row is not None
    return int(row[0])
