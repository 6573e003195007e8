"""One user's writes on one connection: each is sent when it is due, or as soon as the one before it is answered.

gevent's loop calls back when a write is due and when its answer is there. A greenlet that sleeps, executes by psycopg's
cursor and tells Locust of each write takes twice the CPU, on the machine on which rtp is measured.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import gevent
import psycopg
from gevent.event import Event
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from core.errors import ServiceUnavailable
from loadtests.scenarios.clock import seconds_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg.pq.abc import PGresult

    from loadtests.scenarios.processes.tick import Recorder
    from loadtests.scenarios.processes.writer import UserWriter

_READABLE, _WRITABLE = 1, 2  # of libev
_PAUSE_AFTER_FAILURE_SECONDS = 0.2


class ScheduledWrites:
    """Connected from its making, until `close`. A write that fails is repeated, on a new connection."""

    def __init__(
        self,
        writer: UserWriter,
        schedule: Iterator[float],
        connect: Callable[[], psycopg.Connection],
        recorder: Recorder,
        on_failure: Callable[[psycopg.Error], object],
    ) -> None:
        self._writer, self._schedule, self._recorder = writer, schedule, recorder
        self._connect, self._on_failure = connect, on_failure
        self._loop: Any = gevent.get_hub().loop
        self._start_time = self._offset = self._sent_at = 0.0
        self._is_under_way = False
        self._result: PGresult | None = None
        self._finished = Event()
        self._open()

    def run(self, start_time: float) -> None:
        """Return when all is written. Where Locust ends its users before, nothing more is sent."""
        self._start_time = start_time
        self._answer.start(self._hear)
        self._take_next()
        try:
            self._finished.wait()
        finally:
            self._finished.set()
            self._pause()

    def close(self) -> None:
        for watcher in (self._due, self._answer, self._room):
            watcher.close()
        self._connection.close()

    def _open(self) -> None:
        self._connection = self._connect()
        line = self._connection.fileno()
        self._due = self._loop.timer(0)
        self._answer, self._room = self._loop.io(line, _READABLE), self._loop.io(line, _WRITABLE)
        self._writer.prepare(self._connection)

    def _pause(self) -> None:
        for watcher in (self._due, self._answer, self._room):
            watcher.stop()

    def _take_next(self) -> None:
        if (offset := next(self._schedule, None)) is None:
            self._finished.set()
        else:
            self._offset = offset
            self._wait_until_due()

    def _wait_until_due(self) -> None:
        self._due.close()
        self._due = self._loop.timer(seconds_until(self._start_time + self._offset))
        self._due.start(self._send, update=True)

    def _send(self) -> None:
        pgconn, self._is_under_way, self._sent_at = self._connection.pgconn, True, time.time()
        try:
            pgconn.send_query_prepared(*self._writer.next_write(self._start_time + self._offset))
            if pgconn.flush():  # the line takes at once only as much of a large statement as it has room for
                self._room.start(self._send_rest)
        except psycopg.Error as error:
            self._fail(error)

    def _send_rest(self) -> None:
        try:
            if not self._connection.pgconn.flush():
                self._room.stop()
        except psycopg.Error as error:
            self._fail(error)

    def _hear(self) -> None:
        pgconn = self._connection.pgconn
        try:
            pgconn.consume_input()
            while self._is_under_way and not pgconn.is_busy():
                if (part := pgconn.get_result()) is None:
                    self._note_answer()
                else:
                    self._result = part
        except psycopg.Error as error:
            self._fail(error)

    def _note_answer(self) -> None:
        result, self._result, self._is_under_way = self._result, None, False
        if result is None:
            raise psycopg.OperationalError("the connection is lost")
        if result.status != ExecStatus.COMMAND_OK:
            raise error_from_result(result)
        rows, due, ended = self._writer.note_written(), self._start_time + self._offset, time.time()
        took = {"lateness": self._sent_at - due, "db": ended - due, "statement": ended - self._sent_at}
        second = int(self._offset)
        self._recorder.latencies(second, {stage: seconds * 1000 for stage, seconds in took.items()})
        self._recorder.count("written", second, rows)
        self._take_next()

    def _fail(self, error: psycopg.Error) -> None:
        """Also where the server ends a connection that is not in use."""
        self._pause()
        self._is_under_way, self._result = False, None
        self._recorder.count("write failed", int(self._offset))
        gevent.spawn(self._go_on_after, error)

    def _go_on_after(self, error: psycopg.Error) -> None:
        self._on_failure(error)
        gevent.sleep(_PAUSE_AFTER_FAILURE_SECONDS)
        while not self._finished.is_set():
            self.close()
            try:
                self._open()
            except (ServiceUnavailable, psycopg.Error):
                gevent.sleep(_PAUSE_AFTER_FAILURE_SECONDS)
            else:
                self._answer.start(self._hear)
                self._wait_until_due()
                return
