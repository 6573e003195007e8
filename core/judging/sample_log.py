"""The sample log, as the judge reads it: portions of samples in order, and cursors that move behind what is judged.

All watches that keep up share one cursor, the front. Each of its portions is all that a window holds of them. Where
that is more than one read may bring, the watches with more than their share fall behind: each gets a cursor of its own,
and the front goes on without it. Watches that are behind take turns with the front and with each other, until they have
caught up with it. So many samples of one watch hold up those of another for a portion at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import RtpError
from core.judging.backlog import Backlog
from core.judging.judge_cursor import (
    Cursors,
    JudgeCursor,
    check_judges_epoch,
    saving,
    saving_statements,
    take_cursors,
)
from core.judging.portion import Portion, in_judging_order
from core.judging.sample_windows import Limits, SampleCounts, SampleWindows
from core.judging.watches import read_watches
from core.log.cursor import Cursor
from core.log.installation import read_installation
from core.log.logs import FRONT
from core.log.position import ReadingPosition
from core.services.postgres import queries

if TYPE_CHECKING:
    import psycopg

    from core.judging.sample import SampleRow
    from core.judging.watches import InstalledWatches
    from core.services.postgres import DatabaseServer
    from core.services.prepared import Call, PreparedStatements

_LOG = queries("core.sql", "log.sql")


class SampleLog:
    """The judge's reader. Not thread-safe.

    Every method raises ServiceUnavailable when PostgreSQL does not answer; `open` then starts again from the saved
    cursors, as it does after a transaction that saved them and failed.
    """

    def __init__(self, server: DatabaseServer, limits: Limits | None = None) -> None:
        self._server = server
        self._limits = limits or Limits()
        self._connection: psycopg.Connection | None = None
        self._windows: SampleWindows | None = None
        self._statements: PreparedStatements | None = None
        self._front = ReadingPosition(Cursor())
        self._backlogs: dict[int, Backlog] = {}  # in the order of their turns
        self._saved: Cursors = {}
        self._installed: InstalledWatches | None = None
        self._histories: frozenset[int] = frozenset()
        self._is_turn_of_front = True
        self._epoch = 0
        self.is_level = False
        """Whether the last read found nothing, and no watch is behind."""

    def open(self, epoch: int) -> None:
        """Connect, and take up the cursors in an epoch.

        Raises what `take_cursors`, `read_installation` and `read_watches` raise.
        """
        self.close()
        self._connection = connection = self._server.connect("judge")
        try:
            with self._server.translated():
                connection.execute(_LOG["read_through_indexes"])
                read_installation(connection)
                self._saved = take_cursors(connection, epoch)
                self._installed = installed = read_watches(connection)
        except RtpError:
            self.close()
            raise
        self._epoch = epoch
        self._histories = installed.histories
        self._windows = SampleWindows(self._server, connection, self._limits)
        self._statements = saving_statements(connection)
        self._front = ReadingPosition(self._saved[FRONT].cursor)
        self._backlogs = {
            watch: Backlog(watch, cursor, self._histories) for watch, cursor in self._saved.items() if watch != FRONT
        }
        self._is_turn_of_front = True

    def close(self) -> None:
        """Give the connection back; harmless when there is none. What was passed and not saved is forgotten."""
        if self._connection is not None:
            self._connection.close()
            self._connection = self._windows = self._statements = None
        self.is_level = False

    @property
    def connection(self) -> psycopg.Connection:
        """The connection, for what is to be written together with the cursors; only while the log is open."""
        assert self._connection is not None
        return self._connection

    @property
    def installed(self) -> InstalledWatches:
        """The watches that the order of the samples is made by; only once the log was opened."""
        assert self._installed is not None
        return self._installed

    @property
    def behind(self) -> frozenset[int]:
        """The watches that have fallen behind."""
        return frozenset(self._backlogs)

    @property
    def keeps_up(self) -> bool:
        """Whether nothing is left of the last window, but for the watches behind. To be asked after a first read."""
        return self._front.cursor.until is None

    @property
    def is_news_who_is_behind(self) -> bool:
        """Whether watches have fallen behind or caught up since the cursors were saved."""
        return self._saved.keys() - {FRONT} != self._backlogs.keys()

    def read(self) -> Portion | None:
        """The next samples to judge, to be `passed` before the next read.

        None where this read brought none. Unless the log `is_level` then, there is more to read.
        """
        self.is_level = False
        is_inside = self._front.cursor.until is not None
        if self._is_turn_of_front or is_inside or not self._backlogs:
            portion = self._read_front()
            self._is_turn_of_front = False
            if portion.rows:
                return portion
            self._front.move_to(portion.cursor.cursor)
            self.is_level = not self._backlogs
            if self.is_level or self._front.cursor.until is not None:
                return None
        self._is_turn_of_front = True
        return self._read_backlog()

    def passed(self, portion: Portion) -> None:
        """Read on behind a portion. Nothing is written down: after a restart it is read again."""
        if portion.watch is None:
            self._front.move_to(portion.cursor.cursor)
        else:
            self._backlogs[portion.watch].passed(portion)
            self._end_turn(portion.watch)

    def saving(self) -> Call:
        """What writes down what is passed. It fails where a later epoch has the cursors, also where none has moved."""
        cursors = {FRONT: JudgeCursor(self._front.cursor)}
        cursors |= {watch: backlog.cursor for watch, backlog in self._backlogs.items()}
        assert self._statements is not None
        call = saving(self._statements, self._epoch, cursors, self._saved)
        self._saved = cursors
        return call

    def check_epoch(self) -> None:
        """Raise LeadershipLost where a later epoch has taken the cursors."""
        check_judges_epoch(self.connection, self._epoch)

    def wait(self, *, step_seconds: float, longest_seconds: float) -> None:
        """Wait for a reason to read again, unless there is more to read; the server looks at every step."""
        if self.is_level and self._windows is not None:
            self._windows.wait(self._front.wait_values(step_seconds=step_seconds, longest_seconds=longest_seconds))

    def _read_front(self) -> Portion:
        """All of the next window that is of watches which keep up, or all of a part of it where it is large."""
        windows, front = self._open_windows(), self._front
        if not self._backlogs:
            way, values = front.next_window()
            reach, rows = windows.read(way, values, limit=self._limits.rows + 1)
            front.reached(*reach)
            if len(rows) <= self._limits.rows:
                return self._front_portion(rows, front.behind(rows[-1].id if rows else 0, is_full=False))
        way, values = front.next_window()
        reach, counts = windows.count(way, values)
        front.reached(*reach)
        self._let_fall_behind(counts)
        rows = []
        if counts.of_watch.keys() - self._backlogs.keys():
            values["until"] = front.window_end
            rows = windows.read(
                way, values, without=self._backlogs.keys(), through_id=counts.last_id, limit=self._limits.rows
            )[1]
        return self._front_portion(rows, front.behind(counts.last_id, is_full=counts.is_full))

    def _front_portion(self, rows: list[SampleRow], behind: Cursor) -> Portion:
        return Portion(in_judging_order(rows, self._histories), None, JudgeCursor(behind))

    def _let_fall_behind(self, counts: SampleCounts) -> None:
        """Where the watches that keep up have more samples than one read may bring, those beyond their share stay."""
        keeping_up = {watch: count for watch, count in counts.of_watch.items() if watch not in self._backlogs}
        if sum(keeping_up.values()) > self._limits.rows:
            share = self._limits.rows // len(keeping_up)
            for watch in (watch for watch, count in keeping_up.items() if count > share):
                self._backlogs[watch] = Backlog(watch, JudgeCursor(self._front.cursor), self._histories)

    def _read_backlog(self) -> Portion | None:
        watch, backlog = next(iter(self._backlogs.items()))
        portion = backlog.read(self._open_windows(), self._front.cursor)
        self._end_turn(watch)
        return portion

    def _end_turn(self, watch: int) -> None:
        """After a piece the next watch has its turn, or this one has caught up."""
        backlog = self._backlogs[watch]
        if backlog.is_between_pieces:
            del self._backlogs[watch]
            if backlog.cursor.cursor != self._front.cursor:
                self._backlogs[watch] = backlog

    def _open_windows(self) -> SampleWindows:
        assert self._windows is not None
        return self._windows
