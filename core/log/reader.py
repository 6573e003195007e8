"""The log, as one sink reads it: chunks of events in order, and a cursor that moves behind what was delivered.

`core/sql/log.sql` says how a window is found and why a snapshot, not an id, is a reader's position.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import tuple_row

from core.errors import LeadershipLost, LogMismatch, NotInstalled
from core.log.rows import LogRow
from core.services.postgres import queries
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from core.services.postgres import Server

SCHEMA_VERSION = 6

_QUERIES = queries("core.sql", "log.sql")
_NEVER = "1:1:"
_MOST_XIDS_NAMED = 1000


@dataclass(frozen=True)
class Cursor:
    """A sink's position: all that `snapshot` sees is delivered, and of what `until` sees besides, ids up to after_id.

    `floor_id` is below every id that is not visible in `snapshot` and not of a transaction in progress in it.
    """

    snapshot: str = _NEVER
    until: str | None = None
    after_id: int = 0
    floor_id: int = 0


@dataclass(frozen=True)
class Chunk:
    """Rows to deliver, and where the cursor stands once they are delivered."""

    rows: Sequence[LogRow]
    cursor: Cursor


@dataclass(frozen=True)
class DeadLetter:
    """An event that a sink can never take, why, and when it was first and last refused."""

    event_id: int
    document: str
    error: str
    attempts: int
    first_attempt_at: datetime
    last_attempt_at: datetime


@dataclass(frozen=True)
class _Window:
    """A window that is being read: how far it reaches, and what the sequence had reached before it was opened.

    A snapshot is sharp when every transaction that it does not name began after it was taken.
    """

    snapshot: str
    last_id_before: int
    is_sharp: bool


class LogReader:
    """One sink's reader. Not thread-safe: each sink has its own, with its own connection.

    A sink that has no cursor yet starts at the beginning of the log, or, with `starts_at_latest`, at its end.
    Every method raises ServiceUnavailable when PostgreSQL does not answer; `open` then starts again from the cursor.
    Saving raises LeadershipLost where the cursor was taken in a later epoch than `epoch`.
    """

    def __init__(
        self,
        server: Server,
        sink: str,
        *,
        starts_at_latest: bool = False,
    ) -> None:
        self._server = server
        self._create_cursor = _QUERIES["create_cursor_at_latest" if starts_at_latest else "create_cursor"]
        self._sink = sink
        self._connection: psycopg.Connection | None = None
        self._query: psycopg.Cursor | None = None
        self._cursor = Cursor()
        self._saved = Cursor()
        self._last_id = 0
        self._window = _Window(_NEVER, 0, is_sharp=False)
        self.epoch = 0
        self.log_id = ""
        self.newest_id = 0
        self.read_id = 0

    def open(self) -> None:
        """Connect, and take up the sink's cursor where it was saved.

        It is taken in the epoch `epoch`: whoever has it from an earlier one can move it no more (0: without any epoch).
        Raises NotInstalled without rtp's schema, LogMismatch where the cursor cannot be this log's, and LeadershipLost
        where a later epoch has it.
        """
        self.close()
        self._connection = self._server.connect(self._sink)
        try:
            # The log is read through its indexes whatever the statistics say: an empty log would otherwise get a plan
            # that reads all of it, and keep it. A lost cursor update only repeats deliveries: no need to wait for disk.
            self._connection.execute(
                "SELECT set_config(name, value, false) FROM (VALUES ('enable_seqscan', 'off'), ('jit', 'off'),"
                " ('plan_cache_mode', 'force_generic_plan'), ('synchronous_commit', 'off')) AS s (name, value)"
            )
            self.log_id = read_installation(self._connection)
            self._cursor = self._saved = self._load_cursor(self._connection)
        except psycopg.Error as error:
            self.close()
            raise self._server.unavailable(error) from error
        except (NotInstalled, LogMismatch, LeadershipLost):
            self.close()
            raise
        self._last_id = 0
        self.delivered_id = max(self._cursor.after_id, self._cursor.floor_id)
        # A window that was open when the cursor was saved is as sharp as it will get: its floor just stays.
        self._window = _Window(self._cursor.until or _NEVER, 0, is_sharp=False)

    def _load_cursor(self, connection: psycopg.Connection) -> Cursor:
        connection.execute(self._create_cursor, {"sink": self._sink})
        row = connection.execute(_QUERIES["take_cursor"], {"sink": self._sink, "epoch": self.epoch}).fetchone()
        if row is None:
            self._check_epoch(connection)
            raise NotInstalled(f"the cursor of sink {self._sink} vanished", "Run `rtp install-triggers`")
        if mismatch := find_mismatch(connection, self._sink):
            raise LogMismatch(
                f"the cursor of sink {self._sink} does not fit this log: {mismatch}",
                f"Run `rtp reset-cursor --sink {self._sink} --to earliest` (or latest, or a sequence)",
            )
        return Cursor(*row)

    def close(self) -> None:
        """Give the connection back; harmless when there is none."""
        if self._connection is not None:
            self._connection.close()
            self._connection = self._query = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    def read(self, limit: int) -> Chunk:
        """The next rows after the cursor, at most `limit`; none where there is nothing new."""
        chunk = self._read(limit)
        if not chunk.rows and self._cursor.until is not None:
            # The window ended where a chunk did. That says nothing about what came since it was opened.
            self._cursor = chunk.cursor
            chunk = self._read(limit)
        return chunk

    def _read(self, limit: int) -> Chunk:
        cursor = self._cursor
        parameters = {
            "until": cursor.until,
            "snapshot": cursor.snapshot,
            "after_id": cursor.after_id,
            "floor_id": cursor.floor_id,
            "limit": limit,
        }
        try:
            found = self._open_query().execute(_QUERIES["read_window"], parameters, prepare=True).fetchall()
        except psycopg.Error as error:
            raise self._server.unavailable(error) from error
        until, xids_above, last_id = found[0][:3]
        self.newest_id = last_id
        rows = [LogRow._make(row[3:]) for row in found] if found[0][3] is not None else []
        if cursor.until is None:
            self._window = _open_window(until, xids_above, after=cursor.snapshot, last_id_before=self._last_id)
            self._last_id = last_id
        return Chunk(rows, self._after(rows, is_full=len(rows) == limit))

    def _after(self, rows: Sequence[LogRow], *, is_full: bool) -> Cursor:
        cursor, window = self._cursor, self._window
        if is_full:
            return replace(cursor, until=window.snapshot, after_id=rows[-1].id)
        highest = max(cursor.floor_id, cursor.after_id, window.last_id_before, rows[-1].id if rows else 0)
        return Cursor(snapshot=window.snapshot, floor_id=highest if window.is_sharp else cursor.floor_id)

    def advance(self, chunk: Chunk, dead_letters: Sequence[DeadLetter] = (), *, save: bool = True) -> None:
        """Read on behind a chunk. With `save`, or with dead letters, that is written down."""
        self._cursor = chunk.cursor
        self.read_id = max(self.read_id, chunk.cursor.after_id, chunk.cursor.floor_id)
        if save or dead_letters:
            self.save(None, dead_letters)

    def save(self, cursor: Cursor | None = None, dead_letters: Sequence[DeadLetter] = ()) -> None:
        """Write down that all up to `cursor`, or else up to where the reader is, is delivered or dead.

        Dead letters and the move past them are one durable transaction.
        """
        cursor = cursor or self._cursor
        if not dead_letters and cursor == self._saved:
            return
        connection = self._open_connection()
        try:
            if dead_letters:
                with connection.transaction():
                    self._save(connection, cursor)  # first: it fails where these are somebody else's by now
                    self._add_dead_letters(connection, dead_letters)
            else:
                self._save(connection, cursor)
        except psycopg.Error as error:
            raise self._server.unavailable(error) from error
        self._saved = cursor

    def _save(self, connection: psycopg.Connection, cursor: Cursor) -> None:
        values = {"sink": self._sink, "epoch": self.epoch, **vars(cursor)}
        if not connection.execute(_QUERIES["save_cursor"], values, prepare=True).rowcount:
            self._check_epoch(connection)

    def _check_epoch(self, connection: psycopg.Connection) -> None:
        row = connection.execute(_QUERIES["cursor_epoch"], {"sink": self._sink}).fetchone()
        if row is not None and row[0] != self.epoch:
            raise LeadershipLost(f"the cursor of sink {self._sink} was taken in epoch {row[0]}", surpassed_by=row[0])

    def _add_dead_letters(self, connection: psycopg.Connection, dead_letters: Sequence[DeadLetter]) -> None:
        connection.execute("SET LOCAL synchronous_commit TO on")
        for letter in dead_letters:
            values = {**vars(letter), "sink": self._sink, "event": letter.document}
            connection.execute(_QUERIES["add_dead_letter"], values)

    def look_ahead(self) -> None:
        """See how far the log has grown, without reading it."""
        try:
            row = self._open_connection().execute(_QUERIES["newest_id"]).fetchone()
        except psycopg.Error as error:
            raise self._server.unavailable(error) from error
        self.newest_id = row[0] if row else 0

    def count_waiting(self) -> int:
        """How many committed events the sink has not got yet, counted exactly from its saved cursor."""
        try:
            row = self._open_connection().execute(_QUERIES["count_waiting"], {"sink": self._sink}).fetchone()
        except psycopg.Error as error:
            raise self._server.unavailable(error) from error
        return int(row[0]) if row else 0

    def _open_query(self) -> psycopg.Cursor:
        """One for all reads: what a new one looks up costs a fifth of a read."""
        if self._query is None:
            self._query = self._open_connection().cursor(binary=True, row_factory=tuple_row)
        return self._query

    def _open_connection(self) -> psycopg.Connection:
        if self._connection is None:
            self.open()
        assert self._connection is not None
        return self._connection


def _open_window(snapshot: str, xids_above: int, *, after: str, last_id_before: int) -> _Window:
    """Name the transactions above the snapshot's xmax that may be in progress, so that the rest began later.

    There are about as many as writers. A transaction of very many subtransactions can make them too many to name; then
    the floor stays where it was: that is slower, not wrong. The floor holds for what began after the snapshot before
    this one, so what that one named stays named: PostgreSQL's own xmax may still be below it.
    """
    xmin, xmax, in_progress = snapshot.split(":")
    is_sharp = 0 <= xids_above <= _MOST_XIDS_NAMED
    stop = int(xmax) + xids_above if is_sharp else max(int(xmax), int(after.split(":")[1]))
    named = [*filter(None, in_progress.split(",")), *map(str, range(int(xmax), stop))]
    return _Window(f"{xmin}:{stop}:{','.join(named)}", last_id_before, is_sharp)


def read_installation(connection: psycopg.Connection) -> str:
    """The id of the log in this database. Raises NotInstalled where there is none, or one of another version."""
    try:
        row = connection.execute(_QUERIES["read_installation"]).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise NotInstalled("the database has no rtp schema", "Run `rtp install-triggers` first") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise NotInstalled(
            f"rtp's role may not read rtp's schema: {one_line(error)}", "See the README's grants"
        ) from error
    if row is None or row[1] != SCHEMA_VERSION:
        found = row[1] if row else "none"
        raise NotInstalled(
            f"the database has rtp schema version {found}, this rtp needs {SCHEMA_VERSION}",
            "Run `rtp install-triggers` of this version",
        )
    return str(row[0])


def find_mismatch(connection: psycopg.Connection, sink: str) -> str | None:
    """Why a sink's cursor, or the log itself, cannot be this server's; None where it can."""
    row = connection.execute(_QUERIES["find_mismatch"], {"sink": sink}).fetchone()
    return row[0] if row else None
