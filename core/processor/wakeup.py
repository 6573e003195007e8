"""Falling asleep and being woken, so that an idle rtp costs nothing and a busy one spares its writers NOTIFY.

While rtp is awake it polls, and holds the advisory lock AWAKE exclusively. A trigger notifies only if it can take that
lock shared, which is to say only if rtp sleeps (`rtp.wake()` in triggers/sql/functions/03_signal.sql).

No wake-up is lost. Falling asleep goes: (1) release AWAKE; (2) note the next transaction id; (3) go on polling until
every transaction with an id below it has ended; (4) let each sink read once more from then on; (5) block.
Take any transaction that appends an event. Its trigger tried the lock either before (1) or after it.
- After (1) it got the lock, and notifies when it commits. LISTEN has been on since before (1), so the notification
  arrives; it ends the sleep, or sleep has not begun.
- Before (1) it may not notify. But it had its transaction id by then, and that is below (2): either it is finished, and
  the reads of (3) and (4) see it, or in progress, and (3) waits for it.
Where rtp cannot take AWAKE it does not sleep. Another rtp may hold it, or one that is gone: a server that has not
noticed yet that a connection is dead keeps its locks, and triggers notify nobody. A stranger may hold it, too: any role
can take an advisory lock. So rtp looks now and then while it sleeps whether triggers can notify. Whoever keeps it from
sleeping is named. Nor does it sleep where LISTEN turns out to hear nothing.
"""

from __future__ import annotations

import enum
import math
import threading
import time
from typing import TYPE_CHECKING

from core.errors import ServiceUnavailable
from core.leading.loop import Loop
from core.problem import LastingProblem
from core.services.locks import AWAKE_KEY, holders_of_key
from core.services.postgres import queries
from core.services.sessions import DEAF, hears

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from core.leading.epoch import Epoch, Epochs
    from core.problem import Problem
    from core.services.postgres import DatabaseServer
    from core.services.recovery import Recovery
    from core.settings.models import RunSettings

_QUERIES = queries("core.sql", "wakeup.sql")
_FALLING_POLL_SECONDS = 0.003
_CHECK_SECONDS = 1.0
_LOCK_RETRY_SECONDS = 0.2
# The leader before has been ended, or has noticed that it is over, by then.
_LOCK_PATIENCE_SECONDS = 1.0


class _Wakefulness(enum.Enum):
    AWAKE = "awake"
    FALLING = "falling asleep"
    ASLEEP = "asleep"


class WakeUp(Loop):
    """One per process. A thread of its own watches over sleep; sinks call `active` and `wait`."""

    def __init__(
        self,
        server: DatabaseServer,
        settings: RunSettings,
        epochs: Epochs,
        *,
        recovery: Recovery,
        on_problem: Callable[[Problem], None] = lambda _: None,
    ) -> None:
        super().__init__("wakeup", epochs)
        self._sleeplessness = LastingProblem("wakeup", on_problem)
        self._server = server
        self._settings = settings
        self._recovery = recovery
        self._changed = threading.Condition()
        self._state = _Wakefulness.AWAKE
        self._quiet_since = 0.0
        self._last_active = time.monotonic()
        self._sleepless_since: float | None = None
        self.holds_lock = False

    def request_stop(self) -> None:
        """Ask the thread to end, and wake the loops that wait."""
        super().request_stop()
        with self._changed:
            self._changed.notify_all()

    @property
    def is_asleep(self) -> bool:
        """Whether rtp waits for a notification instead of polling."""
        return self._state is _Wakefulness.ASLEEP

    @property
    def is_awake(self) -> bool:
        """Whether triggers notify nobody, as rtp looks by itself, and will go on to do so."""
        return self._state is _Wakefulness.AWAKE

    def active(self) -> None:
        """A sink found something to do: stay awake."""
        self._last_active = time.monotonic()

    def wait(self, read_started: float, poll_seconds: float, *, longest_seconds: float = math.inf) -> None:
        """Wait before the next read, after one that began at `read_started` (monotonic) and found nothing.

        Awake, that is the poll interval. Asleep, it lasts until a notification or the fallback poll; but only for
        a read that began after the quiet was certain, or its emptiness proves nothing. It never lasts
        longer than `longest_seconds`.
        """
        with self._changed:
            if self._state is _Wakefulness.ASLEEP and read_started > self._quiet_since:
                self._changed.wait(min(self._settings.fallback_poll_seconds, longest_seconds))
            elif poll_seconds and not self._halt.is_set():
                seconds = _FALLING_POLL_SECONDS if self._state is _Wakefulness.FALLING else poll_seconds
                self._changed.wait(max(seconds, poll_seconds))

    def _serve(self, epoch: Epoch) -> None:
        # An epoch that is not good may be over: AWAKE would tell the triggers that somebody polls.
        while self._recovery.wait_for_turn(self._halt) and (epoch.is_good or not self._halt.wait(_CHECK_SECONDS)):
            if not epoch.is_good:
                continue
            try:
                with self._server.translated(), self._server.connect(self.name) as connection:
                    connection.execute("LISTEN rtp_wake")
                    with self._server.connect("check") as other:
                        can_hear = hears(other, connection)
                    self._watch(connection, can_hear=can_hear)
            except ServiceUnavailable as error:
                # Until this connection is back nobody may sleep on it.
                self._become(_Wakefulness.AWAKE)
                self.holds_lock = False
                self._recovery.failed(error)
                self._recovery.pause(self._halt)
        self._become(_Wakefulness.AWAKE)
        self.holds_lock = False
        self._recovery.rest()

    def _watch(self, connection: psycopg.Connection, *, can_hear: bool) -> None:
        self._sleepless_since = None
        while not self._halt.is_set():
            if not self.holds_lock:
                self.holds_lock = _answer(connection, "take_awake")
                self._note_whether_it_can_sleep(connection, can_hear=can_hear)
            idle_for = time.monotonic() - self._last_active
            remaining = self._settings.idle_before_sleep_ms / 1000 - idle_for
            if remaining > 0:
                self._halt.wait(min(remaining, _CHECK_SECONDS))
                # A busy rtp may stay awake for days: it must notice that a cut connection has lost it the lock.
                connection.execute(_QUERIES["still_there"])
            elif not self.holds_lock:
                self._halt.wait(_LOCK_RETRY_SECONDS)
            elif not can_hear:
                self._halt.wait(_CHECK_SECONDS)
                connection.execute(_QUERIES["still_there"])
            elif self._fall_asleep(connection):
                self._sleep(connection)

    def _note_whether_it_can_sleep(self, connection: psycopg.Connection, *, can_hear: bool) -> None:
        if self.holds_lock and can_hear:
            self._sleepless_since = None
            self._recovery.succeeded()
            self._sleeplessness.is_over("rtp can sleep again")
            return
        self._recovery.refused()
        self._sleepless_since = self._sleepless_since or time.monotonic()
        if not can_hear:
            self._tell(f"PostgreSQL at {self._server.address}: {DEAF}")
        elif time.monotonic() - self._sleepless_since >= _LOCK_PATIENCE_SECONDS:
            holders = holders_of_key(connection, AWAKE_KEY) or "a session that has just ended"
            self._tell(
                f"the advisory lock (7500912, {AWAKE_KEY}), by which rtp says that it is awake, is held by {holders}:"
                " rtp polls instead of sleeping. End that session (pg_terminate_backend), unless it is another rtp's"
            )

    def _tell(self, problem: str) -> None:
        self._recovery.trouble(problem)
        self._sleeplessness.tell(problem, cause=problem)

    def _fall_asleep(self, connection: psycopg.Connection) -> bool:
        """Steps 1 to 3; false where there was work again before all was quiet."""
        fell_at = time.monotonic()
        self._become(_Wakefulness.FALLING)
        connection.execute(_QUERIES["release_awake"])
        self.holds_lock = False
        row = connection.execute(_QUERIES["note_next_xid"]).fetchone()
        noted = row[0] if row else "0"
        while not self._halt.is_set():
            if self._last_active > fell_at:
                self._become(_Wakefulness.AWAKE)
                return False
            if _answer(connection, "all_ended", noted):
                return True
            self._halt.wait(_FALLING_POLL_SECONDS)
        return False

    def _sleep(self, connection: psycopg.Connection) -> None:
        """Steps 4 and 5: the sinks read once more, and block; this thread listens for them."""
        with self._changed:
            self._quiet_since = time.monotonic()
            self._state = _Wakefulness.ASLEEP
        slept_at = looked_at = time.monotonic()
        while not self._halt.is_set() and self._last_active <= slept_at:
            if next(connection.notifies(timeout=0.2, stop_after=1), None) is not None:
                break
            if time.monotonic() - looked_at >= _CHECK_SECONDS:
                looked_at = time.monotonic()
                if not _answer(connection, "triggers_notify"):
                    break
        # Awake for at least a while: the event that woke us is rarely alone.
        self._last_active = max(self._last_active, time.monotonic())
        self._become(_Wakefulness.AWAKE)

    def _become(self, state: _Wakefulness) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()


def _answer(connection: psycopg.Connection, query: str, *values: str) -> bool:
    row = connection.execute(_QUERIES[query], values).fetchone()
    return bool(row and row[0])
