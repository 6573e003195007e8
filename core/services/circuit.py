"""One circuit breaker per service: it keeps everyone from hammering a service that is away, and names an outage once.

All loops that use a service share its breaker (M. Nygard, "Release It!", 2018, chapter 5). Closed, calls go through.
After some failures in a row, or as soon as the service asks to be left alone, it opens, and no call goes through for a
while. Then it is half-open: one caller may probe, the others wait; the probe's success closes it, its failure opens it
again.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.problem import Problem, counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.errors import ServiceUnavailable, StatementRefused
    from core.settings.models import CircuitBreakerSettings

# While somebody else probes. The probe lasts as long as the service's own timeout at most.
_PROBE_POLL_SECONDS = 0.05


class CircuitState(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True)
class CircuitStatus:
    """A breaker at one moment, for the status; `opened` counts since the start."""

    service: str
    state: CircuitState
    failures_in_a_row: int
    opened: int
    last_error: str


class CircuitBreaker:
    """Thread-safe. Callers ask `wait_for_turn`, call the service, and say `failed` or `succeeded`."""

    def __init__(
        self,
        service: str,
        settings: CircuitBreakerSettings,
        *,
        on_problem: Callable[[Problem], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service = service
        self._settings = settings
        self._on_problem = on_problem
        self._clock = clock
        self._lock = threading.Lock()
        self._state = CircuitState.CLOSED
        self._failures = 0
        self._opened = 0
        self._away_since = 0.0
        self._next_probe_at = 0.0
        self._last_error = ""
        self._refusals: set[str] = set()

    def wait_for_turn(self, stopping: threading.Event) -> bool:
        """Wait until a call may go through; false where `stopping` is set before that."""
        while not self._take_turn():
            if stopping.wait(self._seconds_to_turn()):
                return False
        return not stopping.is_set()

    @property
    def is_closed(self) -> bool:
        """Whether calls go through. Where they do not, the breaker makes callers wait, so they need no backoff."""
        return self._state is CircuitState.CLOSED

    def failed(self, error: ServiceUnavailable) -> None:
        """The service did not answer. The first time in a row is news."""
        with self._lock:
            now = self._clock()
            self._failures += 1
            self._last_error = str(error)
            is_news = self._failures == 1
            if is_news:
                self._away_since = now
            asked_seconds = max(0.0, error.silent_until - now) if isinstance(error, SinkUnavailable) else 0.0
            is_enough = self._failures >= self._settings.failures or asked_seconds > 0
            opens = self._state is CircuitState.HALF_OPEN or (self._state is CircuitState.CLOSED and is_enough)
            has_opened = opens and self._state is CircuitState.CLOSED
            if opens:
                self._state = CircuitState.OPEN
                self._next_probe_at = now + max(self._settings.open_seconds, asked_seconds)
                self._opened += has_opened
        if is_news:
            self._on_problem(self._news(f"{error}. Trying again", error=error.cause))
        if has_opened:
            failures, seconds = counted(self._failures, "failure"), self._settings.open_seconds
            pace = f"in {asked_seconds:.0f} s" if asked_seconds > seconds else f"every {seconds:g} s"
            text = f"{self.service}: circuit open after {failures} in a row, probing {pace}"
            self._on_problem(self._news(text, failures_in_a_row=self._failures, error=error.cause))

    def succeeded(self) -> None:
        """The service answered."""
        if not self._failures:  # the usual case costs no lock; a stale read only defers the recovery to the next call
            return
        with self._lock:
            away_seconds = self._clock() - self._away_since
            was_away = self._failures > 0
            self._state, self._failures, self._last_error = CircuitState.CLOSED, 0, ""
        if was_away:
            text = f"{self.service}: recovered after {away_seconds:.1f} s"
            self._on_problem(self._news(text, level=logging.INFO, away_seconds=round(away_seconds, 3)))

    def refused(self, error: StatementRefused) -> None:
        """The service answered one loop with a refusal. It is told once, however many loops meet the same."""
        with self._lock:
            is_news = str(error) not in self._refusals
            self._refusals.add(str(error))
        if is_news:
            self._on_problem(self._news(f"{error}. Trying again", error=error.cause))

    def granted(self) -> None:
        """The service does again what it had refused."""
        with self._lock:
            was_refused = bool(self._refusals)
            self._refusals.clear()
        if was_refused:
            self._on_problem(self._news(f"{self.service}: no longer refuses", level=logging.INFO))

    def _news(self, text: str, *, level: int = logging.WARNING, **facts: Any) -> Problem:
        return Problem(text, "circuit", level, {"service": self.service, "circuit": self._state, **facts})

    def status(self) -> CircuitStatus:
        """The breaker now."""
        with self._lock:
            return CircuitStatus(self.service, self._state, self._failures, self._opened, self._last_error)

    def _take_turn(self) -> bool:
        """Let a call through, or not. A call that passes a breaker that is not closed is its probe."""
        if not self._failures:
            return True
        with self._lock:
            if self._state is CircuitState.CLOSED:
                return True
            now = self._clock()
            if now < self._next_probe_at:
                return False
            # Another one, where this probe never comes back.
            self._state, self._next_probe_at = CircuitState.HALF_OPEN, now + self._settings.open_seconds
            return True

    def _seconds_to_turn(self) -> float:
        """How long no call goes through, at least; while another caller probes, its answer may come at any moment."""
        with self._lock:
            if self._state is CircuitState.CLOSED:
                return 0.0
            remaining = self._next_probe_at - self._clock()
            return max(0.0, remaining) if self._state is CircuitState.OPEN else _PROBE_POLL_SECONDS
