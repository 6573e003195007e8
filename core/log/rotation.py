"""Giving back the log's space behind the slowest sink.

`core/sql/rotation.sql` says which slot is emptied, when, and why that is safe.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import Connection

_QUERIES = queries("core.sql", "rotation.sql")
_BEYOND_ALL_IDS = 2**63 - 1


@dataclass
class _Keeping:
    """How far the newest events of a slot are kept: all that `snapshot` sees, down to an id; None: all of it."""

    snapshot: str
    before_id: int | None = _BEYOND_ALL_IDS


class Rotation:
    """Empties the slots whose events every sink has passed. One per process; call it every second or so."""

    def __init__(self) -> None:
        # What was kept stays kept while a lock is waited for, or a sink: the slot is read once, not at each try.
        self._keeping: dict[int, _Keeping] = {}
        self.emptied = 0

    def rotate(self, connection: Connection) -> bool:
        """Do the next piece of work, if any; whether there is more that can be done at once.

        What somebody uses at this moment is left for the next call.
        """
        due = [row[0] for row in connection.execute(_QUERIES["due_slots"]).fetchall()]
        self._keeping = {slot: kept for slot, kept in self._keeping.items() if slot in due}
        cursors = _cursors(connection)
        if not cursors:  # nobody has ever read this log
            return False
        for slot in due:
            if _is_seen(connection, slot, cursors):
                keeping = self._keep_more(connection, slot)
                if keeping.before_id is not None:
                    return True
                self._empty(connection, slot, keeping)
        return False

    def _keep_more(self, connection: Connection, slot: int) -> _Keeping:
        """Keep some more of a slot's newest events; how far all is kept then."""
        keeping = self._keeping.get(slot)
        if keeping is None or (keeping.before_id is None and not _is_seen(connection, slot, [keeping.snapshot])):
            keeping = self._keeping[slot] = _Keeping(_value(connection, _QUERIES["now"]))
        if keeping.before_id is not None:
            keeping.before_id = _value(connection, _on(slot, "keep_newest"), {"before_id": keeping.before_id})
        return keeping

    def _empty(self, connection: Connection, slot: int, keeping: _Keeping) -> None:
        with suppress(psycopg.errors.LockNotAvailable), connection.transaction():
            connection.execute(_on(slot, "lock"))
            # Asked again: this process may have stood still since, and somebody may have put a cursor back.
            if _is_seen(connection, slot, [*_cursors(connection), keeping.snapshot]):
                connection.execute(_on(slot, "empty"))
                self.emptied += 1


def _cursors(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute(_QUERIES["cursors"]).fetchall()]


def _is_seen(connection: Connection, slot: int, snapshots: Sequence[str]) -> bool:
    return bool(_value(connection, _on(slot, "is_seen"), {"snapshots": list(snapshots)}))


def _value(connection: Connection, query: bytes | sql.Composed, values: Mapping[str, object] | None = None) -> Any:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row[0]


def _on(slot: int, query: str) -> sql.Composed:
    return sql.SQL(_QUERIES[query].decode()).format(slot=sql.Identifier("rtp", f"event_{slot}"))
