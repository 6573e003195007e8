"""The feed: a thread that writes a market's steps to the demo's tables, each when it is due."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg

from core.demo.tables import write_step
from core.errors import RtpError, ServiceUnavailable
from rtp_client.backoff import Backoff
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from psycopg import Connection

    from core.demo.change import FeedStep
    from core.demo.pace import Pace

DEFAULT_UPDATES_PER_SECOND = 200
MAX_LATE_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
RETRY = Backoff(initial_seconds=0.1, max_seconds=5)


class Feed:
    """Writes steps at their pace until they end or `stop` is called.

    A step is written again after a lost connection: upserts make that harmless, even where the first
    attempt had been committed. `rows_written`, `failures` and `last_failure` can be read at any time.
    Whatever ends the feed sets `finished`; where that was an error (a bad line in a replayed file, say),
    `error` holds it.
    """

    def __init__(
        self,
        connect: Callable[[], Connection[Any]],
        steps: Iterable[FeedStep],
        pace: Pace,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        backoff: Backoff = RETRY,
    ) -> None:
        self.finished = threading.Event()
        self.rows_written = 0
        self.failures = 0
        self.last_failure = ""
        self.error: RtpError | psycopg.Error | None = None
        self._connect = connect
        self._connection: Connection[Any] | None = None
        self._steps = steps
        self._pace = pace
        self._clock = clock
        self._stopping = threading.Event()
        self._sleep = sleep or self._stopping.wait
        self._backoff = backoff
        self._start = 0.0
        self._thread = threading.Thread(target=self._run, name="rtp demo feed", daemon=True)

    def start(self) -> None:
        """Begin to write, in a thread of the feed's own."""
        self._thread.start()

    def stop(self, timeout_seconds: float = 5) -> None:
        """End after the statement that is running now; harmless when the feed has ended or never begun."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            self._start = self._clock()
            for step in self._steps:
                self._wait_until_due(self._pace(step))
                self._write(step)
                if self._stopping.is_set():
                    return
        except (RtpError, psycopg.Error) as error:
            self.error = error
        finally:
            self._disconnect()
            self.finished.set()

    def _wait_until_due(self, due_seconds: float) -> None:
        late = self._clock() - self._start - due_seconds
        if late > MAX_LATE_SECONDS:
            # After an outage, or where the database cannot keep the pace, the feed goes on at the pace from here.
            # Catching up would turn the outage into a burst that no market has seen.
            self._start += late
        while not self._stopping.is_set() and late < 0:
            self._sleep(min(-late, LONGEST_WAIT_SECONDS))
            late = self._clock() - self._start - due_seconds

    def _write(self, step: FeedStep) -> None:
        failures_in_a_row = 0
        while not self._stopping.is_set():
            try:
                if self._connection is None:
                    self._connection = self._connect()
                self.rows_written += write_step(self._connection, step)
            except (ServiceUnavailable, psycopg.OperationalError, psycopg.InterfaceError) as error:
                failures_in_a_row += 1
                self.failures += 1
                self.last_failure = one_line(error)
                self._disconnect()
                self._sleep(self._backoff.wait_seconds(failures_in_a_row))
            else:
                return

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
