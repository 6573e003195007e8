"""Giving back the log's space behind the slowest sink. `core/sql/rotation.sql` says which slot, when, and why it is safe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from core.database import queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

_QUERIES = queries("core.sql", "rotation.sql")


class Rotation:
    """Empties the slots whose events every sink has passed. One per process; call it every few seconds."""

    def __init__(self) -> None:
        # What was kept stays kept while the lock is waited for, or a sink: the slot is read once, not at each try.
        self._kept: dict[int, str] = {}

    def rotate(self, connection: Connection) -> list[int]:
        """Empty what is due and passed; which slots that were. What somebody uses at this moment is left for later."""
        due = [row[0] for row in connection.execute(_QUERIES["due_slots"]).fetchall()]
        self._kept = {slot: snapshot for slot, snapshot in self._kept.items() if slot in due}
        return [slot for slot in due if self._is_emptied(connection, slot)]

    def _is_emptied(self, connection: Connection, slot: int) -> bool:
        cursors = [row[0] for row in connection.execute(_QUERIES["cursors"]).fetchall()]
        if not cursors or not _is_seen(connection, slot, cursors):
            return False
        if slot not in self._kept or not _is_seen(connection, slot, [self._kept[slot]]):
            row = connection.execute(_on(slot, "keep_newest")).fetchone()
            assert row is not None
            self._kept[slot] = row[0]
        try:
            with connection.transaction():
                connection.execute(_on(slot, "lock"))
                if not _is_seen(connection, slot, [*cursors, self._kept[slot]]):
                    return False
                connection.execute(_on(slot, "empty"))
        except psycopg.errors.LockNotAvailable:
            return False
        del self._kept[slot]
        return True


def _is_seen(connection: Connection, slot: int, snapshots: Sequence[str]) -> bool:
    row = connection.execute(_on(slot, "is_seen"), {"snapshots": list(snapshots)}).fetchone()
    return bool(row and row[0])


def _on(slot: int, query: str) -> sql.Composed:
    return sql.SQL(_QUERIES[query].decode()).format(slot=sql.Identifier("rtp", f"event_{slot}"))
