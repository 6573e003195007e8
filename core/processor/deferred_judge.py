"""The part of detection that triggers leave to rtp run: samples they could not judge at once, and the passing of time.

All of it happens in the database (`triggers/sql/functions/06_waiting.sql`), in short transactions that wait for nobody;
this thread only calls. What it reports goes into the log, and from there to the sinks like every other event.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.errors import ServiceUnavailable, StatementRefused
from core.leading.loop import Loop
from core.problem import Problem
from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from core.leading.epoch import Epoch, Epochs
    from core.processor.housekeeping import Housekeeping
    from core.processor.wakeup import WakeUp
    from core.services.postgres import DatabaseServer
    from core.services.recovery import Recovery

_QUERIES = queries("core.sql", "deferred_judge.sql")
_POLL_SECONDS = 0.005
# Where there was no sample for so long, most likely no watch leaves any: then the server looks for one by itself.
_QUIET_SECONDS = 1.0
_WAIT = {"looks": 10, "seconds": _POLL_SECONDS}
# Heartbeats, cooldowns and quarantines are as punctual as this; a sleeping rtp looks this often.
_APPOINTMENTS_SECONDS = 0.5


class DeferredJudge(Loop):
    """Judges waiting samples in a thread of its own while this rtp leads, until told to stop."""

    def __init__(
        self,
        server: DatabaseServer,
        wakeup: WakeUp,
        housekeeping: Housekeeping,
        epochs: Epochs,
        *,
        recovery: Recovery,
        on_problem: Callable[[Problem], None],
    ) -> None:
        super().__init__("deferred_judge", epochs)
        self.judged = 0
        self.idle_since: float | None = None
        self._server = server
        self._wakeup = wakeup
        self.housekeeping = housekeeping
        self._recovery = recovery
        self._on_problem = on_problem
        self._next_appointments = 0.0
        self._newest_id = 0
        self._last_sample = 0.0
        self._is_refused = False

    def _serve(self, epoch: Epoch) -> None:
        """Judge as long as the epoch lasts. The database itself lets only one judge at a time."""
        while self._recovery.wait_for_turn(self._halt):
            try:
                with self._server.translated(), self._server.connect(self.name) as connection:
                    self._loop(connection)
            except ServiceUnavailable as error:
                self.idle_since = None
                self._note(error)
                self._recovery.pause(self._halt)
        self.idle_since = None

    def _note(self, error: ServiceUnavailable) -> None:
        if not isinstance(error, StatementRefused):
            self._recovery.failed(error)
            return
        self._recovery.refused()
        if not self._is_refused:
            self._is_refused = True
            text = f"judging: trying again: {error.cause}"
            self._on_problem(Problem(text, "judging", facts={"error": error.cause}))

    def _loop(self, connection: psycopg.Connection) -> None:
        judge = connection.cursor()
        while not self._halt.is_set():
            started = time.monotonic()
            if started >= self._next_appointments:
                connection.execute(_QUERIES["put_ticks"])
                self._next_appointments = started + _APPOINTMENTS_SECONDS
            self.housekeeping.do_what_is_due(connection)
            row = judge.execute(_QUERIES["judge_waiting"], prepare=True).fetchone()
            self._recovery.succeeded()
            self._is_refused = False
            if row is not None:
                self._last_sample = started
            judged, has_more = row or (0, False)
            if judged:
                self.judged += judged
                self.idle_since = None
                self._wakeup.active()
            elif self.idle_since is None:
                self.idle_since = time.monotonic()
            if not has_more:
                self._wait_for_more(judge, started)

    def _wait_for_more(self, judge: psycopg.Cursor, started: float) -> None:
        if not self._wakeup.is_awake or started < self._last_sample + _QUIET_SECONDS:
            self._wakeup.wait(started, _POLL_SECONDS, longest_seconds=_APPOINTMENTS_SECONDS)
        elif row := judge.execute(_QUERIES["wait_for_sample"], {**_WAIT, "newest_id": self._newest_id}).fetchone():
            (self._newest_id,) = row
            self._last_sample = started
