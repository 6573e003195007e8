"""Where a reader stands in a log, and the queries that find what is new there, one window after another.

`core/sql/log.sql` says how a window is found and why a snapshot, not an id, is a reader's position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.log.window import IdlessTransactions, RecentCursors, open_window, resume_window
from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.log.cursor import Cursor
    from core.log.logs import Log

_QUERIES = queries("core.sql", "log.sql")
RECENT, OF_STRAGGLERS = "recent_rows", "rows_of_stragglers"
# The server waits in whole milliseconds, and once more where it woke up a little too soon; none at all is no pause.
_ROUNDING_SECONDS = 0.0005
_SHORTEST_STEP_SECONDS = 0.001


def window_queries(log: Log, query: bytes, *, columns: bytes = b"*", which: bytes = b"true") -> Mapping[str, bytes]:
    """A query over a window's rows in the two ways to find them; `which` is a condition that they meet besides."""
    parts = {"reach": log.on(_QUERIES["reach"])}
    rows = {"columns": columns, "which": which}
    ways = {way: log.on(_QUERIES[way], rows) for way in (RECENT, OF_STRAGGLERS)}
    return {way: log.on(query, parts | {"rows": rows}) for way, rows in ways.items()}


def wait_query(log: Log) -> bytes:
    """The query that waits in the server for a reason to read again."""
    return log.on(_QUERIES["wait"])


class ReadingPosition:
    """A place in a log, and what is remembered of the way there. Not thread-safe.

    `newest_id` is the highest id that the log has drawn, when last looked at.
    """

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.newest_id = 0
        self._window = resume_window(cursor)
        self._last_id = 0
        self._recent = RecentCursors()
        self._idless = IdlessTransactions()

    def next_window(self) -> tuple[str, dict[str, str | int | None]]:
        """Which of the two queries reads the next window, and its values."""
        low_id = self._recent.low_id(self.cursor)
        return OF_STRAGGLERS if low_id is None else RECENT, {**vars(self.cursor), "low_id": low_id}

    def reached(self, until: str, xids_above: int, newest_id: int) -> None:
        """The query has answered: it opened a window, unless the cursor is inside one."""
        self.newest_id = newest_id
        if self.cursor.until is None:
            self._window = open_window(until, xids_above, after=self.cursor, last_id_before=self._last_id)
            self._last_id = newest_id
            self._idless.note(self._window, newest_id)

    @property
    def window_end(self) -> str:
        """The snapshot up to which the window reaches."""
        return self._window.snapshot

    def behind(self, last_id: int, *, is_full: bool) -> Cursor:
        """Where the cursor stands once the window is read up to an id, or, unless it `is_full`, to its end."""
        return self._window.cursor_behind(self.cursor, last_id, is_full=is_full)

    def move_to(self, cursor: Cursor) -> None:
        """Read on from there."""
        self.cursor = cursor
        self._recent.note(cursor)

    def wait_values(self, *, step_seconds: float, longest_seconds: float) -> dict[str, str | float | None]:
        """The values of the query that waits, looking at every step, of a millisecond at least."""
        step_seconds = max(step_seconds, _SHORTEST_STEP_SECONDS)
        return {
            # The end of a transaction without an id is no reason: where writers are many, one ends at every look.
            "snapshot": self._idless.left_out_of(self.cursor.snapshot),
            "newest_id": self.newest_id,
            "looks": max(1, round(longest_seconds / step_seconds)),
            "seconds": step_seconds - _ROUNDING_SECONDS,
        }
