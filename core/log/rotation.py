"""Giving back a log's space behind its slowest reader.

`core/sql/rotation.sql` says which slot is emptied, when, and why that is safe.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import Connection

    from core.log.logs import Log

_QUERIES = queries("core.sql", "rotation.sql")
_BEYOND_ALL_IDS = 2**63 - 1


@dataclass
class _Keeping:
    """How far the newest events of a slot are kept: all that `snapshot` sees, down to an id; None: all of it."""

    snapshot: str
    before_id: int | None = _BEYOND_ALL_IDS


class Rotation:
    """Empties the slots of a log that every reader has passed. One per process; call it every second or so."""

    def __init__(self, log: Log) -> None:
        self._log = log
        # What was kept stays kept while a lock is waited for, or a reader: the slot is read once, not at each try.
        self._keeping: dict[int, _Keeping] = {}
        self.emptied = 0

    def rotate(self, connection: Connection) -> bool:
        """Do the next piece of work, if any; whether there is more that can be done at once.

        What somebody uses at this moment is left for the next call.
        """
        due = [row[0] for row in connection.execute(self._log.on(_QUERIES["due_slots"])).fetchall()]
        self._keeping = {slot: kept for slot, kept in self._keeping.items() if slot in due}
        cursors = self._cursors(connection)
        if not cursors:  # nobody has ever read this log
            return False
        for slot in due:
            if self._is_seen(connection, slot, cursors):
                keeping = self._keep_more(connection, slot) if self._log.latest else None
                if keeping is not None and keeping.before_id is not None:
                    return True
                self._empty(connection, slot, keeping)
        return False

    def _keep_more(self, connection: Connection, slot: int) -> _Keeping:
        """Keep some more of a slot's newest events; how far all is kept then."""
        keeping = self._keeping.get(slot)
        if keeping is None or (keeping.before_id is None and not self._is_seen(connection, slot, [keeping.snapshot])):
            keeping = self._keeping[slot] = _Keeping(_value(connection, _QUERIES["now"]))
        if keeping.before_id is not None:
            query = self._log.on(_QUERIES["keep_newest"], slot=slot)
            keeping.before_id = _value(connection, query, {"before_id": keeping.before_id})
        return keeping

    def _empty(self, connection: Connection, slot: int, keeping: _Keeping | None) -> None:
        with suppress(psycopg.errors.LockNotAvailable), connection.transaction():
            connection.execute(self._log.on(_QUERIES["lock"], slot=slot))
            # Asked again: this process may have stood still since, and somebody may have put a cursor back.
            kept = [keeping.snapshot] if keeping is not None else []
            if self._is_seen(connection, slot, [*self._cursors(connection), *kept]):
                connection.execute(self._log.on(_QUERIES["empty"], slot=slot))
                self.emptied += 1

    def _cursors(self, connection: Connection) -> list[str]:
        return [row[0] for row in connection.execute(self._log.on(_QUERIES["cursors"])).fetchall()]

    def _is_seen(self, connection: Connection, slot: int, snapshots: Sequence[str]) -> bool:
        query = self._log.on(_QUERIES["is_seen"], slot=slot)
        return bool(_value(connection, query, {"snapshots": list(snapshots)}))


def _value(connection: Connection, query: bytes, values: Mapping[str, object] | None = None) -> Any:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row[0]
