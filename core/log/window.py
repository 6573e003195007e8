"""The arithmetic of windows: how far one reaches, and where the cursor stands once rows of it are delivered.

A window is what one snapshot sees and the cursor's does not; `core/sql/log.sql` says why. The floor spares each poll
the part of the log that was read before: rows of transactions that the cursor's snapshot does not name are looked for
above the floor only. So the floor may be raised only to an id below all that such transactions can have drawn.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import lru_cache

from core.log.cursor import BEFORE_ALL, Cursor

_MOST_XIDS_NAMED = 1000
_MOST_CURSORS = 32
_MOST_IDS_BETWEEN = 2000


@dataclass(frozen=True)
class Window:
    """A window that is being read: how far it reaches, and what the sequence had reached before it was opened.

    `snapshot` is sharp when every transaction that it does not name began after it was taken.
    """

    snapshot: str = BEFORE_ALL
    last_id_before: int = 0
    is_sharp: bool = False

    def cursor_behind(self, cursor: Cursor, last_id: int, *, is_full: bool) -> Cursor:
        """Where a cursor stands behind rows up to an id, 0 for none; unless that is full, the window ends with them."""
        if is_full:
            return replace(cursor, until=self.snapshot, after_id=last_id)
        highest_id = max(cursor.highest_id, self.last_id_before, last_id)
        return Cursor(self.snapshot, floor_id=highest_id if self.is_sharp else cursor.floor_id)


def open_window(snapshot: str, xids_above: int, *, after: Cursor, last_id_before: int) -> Window:
    """The window up to a snapshot that was just taken, when `xids_above` transactions above its xmax had begun.

    Those transactions may be in progress with ids drawn long ago, so they are named: all others began later. There are
    about as many as writers. A transaction of very many subtransactions can make them too many to name. Then the floor
    stays where it was: that is slower, not wrong. The floor holds for what began after the cursor's snapshot, so what
    that snapshot named stays named: PostgreSQL's own xmax may still be below it.
    """
    xmin, xmax, in_progress = snapshot.split(":")
    is_sharp = 0 <= xids_above <= _MOST_XIDS_NAMED
    stop = int(xmax) + xids_above if is_sharp else max(int(xmax), int(after.snapshot.split(":")[1]))
    named = [*filter(None, in_progress.split(",")), *map(str, range(int(xmax), stop))]
    return Window(f"{xmin}:{stop}:{','.join(named)}", last_id_before, is_sharp)


def resume_window(cursor: Cursor) -> Window:
    """The window that was open when a cursor was saved: it is not known to be sharp, and the floor just stays."""
    return Window(cursor.until or BEFORE_ALL)


class RecentCursors:
    """Where a reader has lately been, which tells below which id nothing of its next window can be.

    A cursor's own floor tells that of what began after its snapshot. A straggler is older, but it began after an
    earlier cursor's snapshot, and that cursor's floor is below all its ids.
    """

    def __init__(self) -> None:
        self._floors: deque[tuple[int, int]] = deque(maxlen=_MOST_CURSORS)

    def note(self, cursor: Cursor) -> None:
        """A window ended here."""
        if cursor.until is None:
            self._floors.append((_bounds(cursor.snapshot)[1], cursor.floor_id))

    def low_id(self, cursor: Cursor) -> int | None:
        """An id below all that the cursor's window can still hold, and not far below; None where none is known."""
        xmin, xmax = _bounds(cursor.snapshot)
        if xmin == xmax:
            return cursor.highest_id
        for stop, floor_id in reversed(self._floors):
            if stop <= xmin:
                near = cursor.floor_id - floor_id <= _MOST_IDS_BETWEEN
                return max(cursor.after_id, floor_id) if near else None
        return None


class IdlessTransactions:
    """The transactions that have drawn no id: those that began after a look at the sequence, while it stays there.

    One may have an id all the same that it drew before its own xid, as no trigger does. That only makes a wait longer.
    """

    def __init__(self) -> None:
        self._newest_id = 0
        self._first_xid: int | None = None

    def note(self, window: Window, newest_id: int) -> None:
        """A window was opened, and then the newest id was looked up."""
        if newest_id != self._newest_id:
            self._newest_id, self._first_xid = newest_id, None
        elif self._first_xid is None and window.is_sharp:
            self._first_xid = _bounds(window.snapshot)[1]

    def left_out_of(self, snapshot: str) -> str:
        """The snapshot, with only those of its transactions in progress that may have drawn an id."""
        if self._first_xid is None:
            return snapshot
        xmin, xmax, in_progress = snapshot.split(":")
        others = (xid for xid in in_progress.split(",") if xid and int(xid) < self._first_xid)
        return f"{xmin}:{xmax}:{','.join(others)}"


@lru_cache(64)  # each poll asks for the same one three times
def _bounds(snapshot: str) -> tuple[int, int]:
    """The snapshot's xmin, below which no transaction was in progress, and its xmax."""
    xmin, xmax, _ = snapshot.split(":")
    return int(xmin), int(xmax)
