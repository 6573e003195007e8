"""The loop that judges the sample log while this rtp leads, and keeps what else somebody must see to meanwhile."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from core.errors import LeadershipLost, ServiceUnavailable, StatementRefused
from core.judging.ledger import Overtaken
from core.judging.sample_log import SampleLog
from core.judging.session import FLUSH_SECONDS, JudgeSession
from core.leading.loop import Loop
from core.problem import LastingProblem
from core.services.locks import INSTALLATION, holders_of_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    from core.leading.epoch import Epoch, Epochs
    from core.problem import Problem
    from core.services.postgres import DatabaseServer
    from core.services.recovery import Recovery

# Samples are read this often at most: a lone one goes at once, a stream goes in batches.
_GATHER_SECONDS = 0.006
# Where the last ones made events, the next may, too, and somebody waits for those. At 2 ms a stream of 1,000 a second
# costs a fifth more of the judge's CPU, which the sinks wait for, and no event is there sooner where the CPUs are busy.
_REPORTING_SECONDS = 0.004
# Where no watch is sampled, only what triggers leave to the judge comes: a deletion now and then, or, in a row, all
# that writers above READ COMMITTED change.
_RARE_SECONDS = 0.02
_RARE_AFTER_SECONDS = 1.0
_FULL = 500
# Heartbeats, cooldowns and quarantines are as punctual as this; a sleeping rtp looks this often.
_APPOINTMENTS_SECONDS = 0.5
# An installation is over in a moment; so is the statement of a writer.
_OVERTAKEN_SECONDS = 0.05
_OVERTAKEN_PATIENCE_SECONDS = 2.0


class Wakefulness(Protocol):
    """What the loop asks of whoever puts rtp to sleep and wakes it (core/processor/wakeup.py)."""

    @property
    def is_awake(self) -> bool: ...

    def active(self) -> None: ...

    def wait(self, read_started: float, poll_seconds: float, *, longest_seconds: float) -> None: ...


class JudgeLoop(Loop):
    """Judges in a thread of its own; between its judgements it does the `chores`, with its connection."""

    def __init__(
        self,
        server: DatabaseServer,
        wakeup: Wakefulness,
        epochs: Epochs,
        *,
        chores: Callable[[Connection], None],
        recovery: Recovery,
        on_problem: Callable[[Problem], None],
    ) -> None:
        super().__init__("judge", epochs)
        self.judged = 0
        self.idle_since: float | None = None
        self._server = server
        self._wakeup = wakeup
        self._chores = chores
        self._recovery = recovery
        self._standstill = LastingProblem("judging", on_problem)
        self._log = SampleLog(server)
        self._overtaken_since: float | None = None

    def _serve(self, epoch: Epoch) -> None:
        """Judge as long as the epoch lasts: one session after another, where one was overtaken or cut off."""
        try:
            while self._recovery.wait_for_turn(self._halt):
                self._try_a_session(epoch)
        except LeadershipLost as lost:
            epoch.end(lost.surpassed_by)
        finally:
            self.idle_since = None
            self._log.close()
            self._recovery.rest()

    def _try_a_session(self, epoch: Epoch) -> None:
        try:
            with self._server.translated():
                self._log.open(epoch.number)
                self._judge(JudgeSession(self._log))
        except Overtaken as overtaken:
            self._note_overtaken(overtaken)
            self._halt.wait(_OVERTAKEN_SECONDS)
        except ServiceUnavailable as error:
            self.idle_since = None
            self._note(error)
            self._recovery.pause(self._halt)

    def _judge(self, session: JudgeSession) -> None:
        next_appointments = 0.0
        while not self._halt.is_set():
            started = time.monotonic()
            judged = session.judge_next()
            session.flush_when_due()
            if started >= next_appointments and self._log.keeps_up:
                if session.keep_appointments():
                    self._wakeup.active()
                if not session.has_more_appointments:
                    next_appointments = started + _APPOINTMENTS_SECONDS
            self._chores(self._log.connection)
            if not session.has_unwritten:  # what is read and cannot be written down is no success
                self._note_success()
            if judged:
                self._note_work(judged)
                if judged < _FULL and not self._log.behind:
                    _sleep_until(started + (_REPORTING_SECONDS if session.has_reported else _GATHER_SECONDS))
            elif self._log.is_level and not session.has_gone:
                self._wait_for_more(session, started)
        if self._stopping.is_set():  # at the end of an epoch, the connection may be as dead as the leader's
            session.flush()

    def _note_work(self, judged: int) -> None:
        self.judged += judged
        self.idle_since = None
        self._wakeup.active()

    def _wait_for_more(self, session: JudgeSession, started: float) -> None:
        if self.idle_since is None and not session.has_unwritten:
            self.idle_since = time.monotonic()
        if self._wakeup.is_awake:
            between = _RARE_SECONDS if self._are_rare(session, started) else _GATHER_SECONDS
            self._log.wait(step_seconds=between / 2, longest_seconds=FLUSH_SECONDS / 5)
        else:
            session.flush()
            self._wakeup.wait(started, _GATHER_SECONDS, longest_seconds=_APPOINTMENTS_SECONDS)

    def _are_rare(self, session: JudgeSession, now: float) -> bool:
        is_quiet = self.idle_since is not None and now > self.idle_since + _RARE_AFTER_SECONDS
        return is_quiet and not session.samples_any_watch

    def _note_success(self) -> None:
        self._recovery.succeeded()
        self._overtaken_since = None
        self._standstill.is_over("judging goes on")

    def _note(self, error: ServiceUnavailable) -> None:
        if isinstance(error, StatementRefused):
            self._recovery.trouble(str(error))
            self._recovery.refused()
            self._standstill.tell(f"judging: trying again: {error.cause}", facts={"error": error.cause})
        else:
            self._recovery.failed(error)

    def _note_overtaken(self, overtaken: Overtaken) -> None:
        """An installation, or a trigger, takes a moment. What keeps the judge away for longer is told."""
        self._overtaken_since = self._overtaken_since or time.monotonic()
        if time.monotonic() - self._overtaken_since < _OVERTAKEN_PATIENCE_SECONDS:
            return
        with suppress(ServiceUnavailable), self._server.translated():
            holders = holders_of_table(self._log.connection, INSTALLATION)
            cause = f"{INSTALLATION}, which installations lock, is locked by {holders}" if holders else str(overtaken)
            self._recovery.trouble(cause)
            self._standstill.tell(f"judging waits: {cause}", facts={"error": cause})


def _sleep_until(moment: float) -> None:
    """Short enough to stop behind it: to wait for an event instead takes three times the CPU."""
    time.sleep(max(0.0, moment - time.monotonic()))
