"""The log, as one sink reads it: chunks of events in order, and a cursor that moves behind what was delivered.

`core/sql/log.sql` says how a window is found and why a snapshot, not an id, is a reader's position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from core.errors import RtpError
from core.log.cursor import Cursor, check_epoch, take_cursor
from core.log.dead_event import add_dead_events
from core.log.installation import read_installation
from core.log.jumps import Jump, ids_between, jump_ahead, read_jumps, read_reached
from core.log.logs import EVENTS
from core.log.position import ReadingPosition, wait_query, window_queries
from core.log.rows import LogRow
from core.services.postgres import queries
from core.services.prepared import PreparedStatements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.log.dead_event import DeadEvent
    from core.services.postgres import DatabaseServer

_QUERIES = queries("core.sql", "log.sql")
WINDOWS = window_queries(EVENTS, _QUERIES["read_window"])
"""The two ways to read a window, by what finds its rows."""
_STATEMENTS = {**WINDOWS, "wait": wait_query(EVENTS), "save_cursor": _QUERIES["save_cursor"]}


@dataclass(frozen=True)
class Chunk:
    """Rows to deliver, and where the cursor stands once they are delivered."""

    rows: Sequence[LogRow]
    cursor: Cursor


class LogReader:
    """One sink's reader. Not thread-safe: each sink has its own, with its own connection.

    A sink that has no cursor yet starts at the beginning of the log, or, with `starts_at_latest`, at its end.
    Every method raises ServiceUnavailable when PostgreSQL does not answer; `open` then starts again from the saved
    cursor. `log_id` says which log this is, `newest_id` and `read_id` how far the log and the reader have got, and
    `highest_read` which event of this log was the highest, also on connections before this one.
    """

    def __init__(self, server: DatabaseServer, sink: str, *, starts_at_latest: bool = False) -> None:
        self._server = server
        self._sink = sink
        self._starts_at_latest = starts_at_latest
        self._connection: psycopg.Connection | None = None
        self._statements: PreparedStatements | None = None
        self._position = ReadingPosition(Cursor())
        self._saved = Cursor()
        self.epoch = 0
        self.log_id = ""
        self.newest_id = 0
        self.read_id = 0
        self.highest_read = 0
        self._jumps: Sequence[Jump] = ()

    def open(self) -> None:
        """Connect, and take up the sink's cursor in `epoch`.

        Raises what `take_cursor` and `read_installation` raise.
        """
        self.close()
        self._connection = self._server.connect(self._sink)
        try:
            with self._server.translated():
                self._connection.execute(_QUERIES["read_through_indexes"])
                log_id = read_installation(self._connection)
                self.highest_read = self.highest_read if log_id == self.log_id else 0
                self.log_id = log_id
                self._jumps = read_jumps(self._connection)
                self._saved = take_cursor(
                    self._connection, self._sink, self.epoch, starts_at_latest=self._starts_at_latest
                )
        except RtpError:
            self.close()
            raise
        self._statements = PreparedStatements(self._connection, _STATEMENTS)
        self._position = ReadingPosition(self._saved)
        self.read_id = self._saved.highest_id

    def close(self) -> None:
        """Give the connection back; harmless when there is none. What was read behind the saved cursor is forgotten."""
        if self._connection is not None:
            self._connection.close()
            self._connection = self._statements = None
        self.read_id = self._saved.highest_id

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    @property
    def unread_ids(self) -> int:
        """How many ids may have been drawn above those that were read."""
        return ids_between(self.read_id, self.newest_id, self._jumps)

    def read(self, limit: int) -> Chunk:
        """The next rows after the cursor, at most `limit`; none where there is nothing new."""
        chunk = self._read(limit)
        if not chunk.rows and self._position.cursor.until is not None:
            # The window ended where a chunk did. That says nothing about what came since it was opened.
            self._position.move_to(chunk.cursor)
            chunk = self._read(limit)
        return chunk

    def _read(self, limit: int) -> Chunk:
        self._open_connection()
        position = self._position
        query, values = position.next_window()
        found = self._fetch(query, {**values, "limit": limit})
        position.reached(*found[0][:3])
        self.newest_id = position.newest_id
        rows = [LogRow._make(row[3:]) for row in found] if found[0][3] is not None else []
        if rows:
            self.highest_read = max(self.highest_read, rows[-1].id)
        return Chunk(rows, position.behind(rows[-1].id if rows else 0, is_full=len(rows) == limit))

    def wait(self, *, step_seconds: float, longest_seconds: float) -> None:
        """After a read that found nothing, wait for a reason to read again; the server looks at every step."""
        self._fetch("wait", self._position.wait_values(step_seconds=step_seconds, longest_seconds=longest_seconds))

    def advance(self, chunk: Chunk) -> None:
        """Read on behind a chunk. Nothing is written down: after a restart it is read again."""
        self._position.move_to(chunk.cursor)
        self.read_id = max(self.read_id, chunk.cursor.highest_id)

    def save(self, cursor: Cursor | None = None, dead_events: Sequence[DeadEvent] = ()) -> None:
        """Write down that all up to `cursor`, or else up to where the reader is, is delivered or dead.

        Dead events and the move past them are one durable transaction. Raises LeadershipLost where the cursor was taken
        in a later epoch.
        """
        cursor = cursor or self._position.cursor
        if not dead_events and cursor == self._saved:
            return
        if dead_events:
            connection = self._open_connection()
            with self._server.translated(), connection.transaction():
                self._save_cursor(cursor)  # first: it fails where another epoch has it
                add_dead_events(connection, self._sink, dead_events)
        else:
            self._save_cursor(cursor)
        self._saved = cursor

    def _save_cursor(self, cursor: Cursor) -> None:
        values = {"sink": self._sink, "epoch": self.epoch, **vars(cursor)}
        if not self._fetch("save_cursor", values):
            with self._server.translated():
                check_epoch(self._open_connection(), self._sink, self.epoch)

    def look_ahead(self) -> None:
        """See how far the log has grown, without reading it."""
        connection = self._open_connection()
        with self._server.translated():
            row = connection.execute(_QUERIES["newest_id"]).fetchone()
        self.newest_id = row[0] if row else 0

    def reached(self) -> tuple[str, int]:
        """The log's name by now, and the last id that it has given."""
        connection = self._open_connection()
        with self._server.translated():
            return read_reached(connection)

    def jump_ahead(self, *, above: int) -> int:
        """Go on as another log, above an id that this one has not come to; which one it goes on above.

        Readers know of it when they are opened again.
        """
        connection = self._open_connection()
        with self._server.translated():
            return jump_ahead(connection, above=above)

    def _fetch(self, query: str, values: Mapping[str, str | float | None]) -> list[tuple[Any, ...]]:
        self._open_connection()
        assert self._statements is not None
        try:
            return self._statements.fetch(query, values)
        except psycopg.Error as error:
            raise self._server.failure(error) from error

    def _open_connection(self) -> psycopg.Connection:
        if self._connection is None:
            self.open()
        assert self._connection is not None
        return self._connection
