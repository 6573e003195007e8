"""When a destination that failed is tried again, and when an alert is given up. Pure.

A service that is away makes no dead letter until `give_up_after`: tries count against an alert only where the service
has taken other messages since the alert's first failure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rtp_client.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.notify.alert import Alert
    from core.notify.answer import Later

_ASKED_JITTER = 0.1


@dataclass(frozen=True)
class Patience:
    """How long to go on trying. `max_attempts` is of one alert."""

    backoff: Backoff = field(default_factory=lambda: Backoff(initial_seconds=1, max_seconds=60))
    max_attempts: int = 10
    give_up_after_seconds: float = 24 * 3600


@dataclass
class _Failures:
    """An alert's, and how many messages the service had taken before the first."""

    accepted_before: int
    number: int = 0


class Retries:
    """One destination's failures in a row. Not thread-safe."""

    def __init__(self, patience: Patience, *, failures: int = 0, retry_at: float = 0.0) -> None:
        self.failures = failures
        self.retry_at = retry_at
        self.reason = ""
        """Why the last message was not taken; empty where one was."""
        self._patience = patience
        self._failed: dict[str, _Failures] = {}
        self._accepted = 0

    def accepted(self) -> None:
        """The service has taken a message."""
        self.failures, self.retry_at, self.reason = 0, 0.0, ""
        self._accepted += 1

    def failed(self, answer: Later, now: float) -> None:
        """The service has taken none; from when on it may be asked again follows."""
        self.failures += 1
        self.reason = answer.reason
        backoff = self._patience.backoff
        wait = backoff.wait_seconds(self.failures)
        if answer.after_seconds is not None:  # not a moment sooner, and not all clients at the same moment
            wait = answer.after_seconds + min(wait, _ASKED_JITTER * answer.after_seconds)
        self.retry_at = max(self.retry_at, now + wait)

    def postpone(self, until: float) -> None:
        """For a reason that is not the service's, ask it nothing before that."""
        self.retry_at = max(self.retry_at, until)

    def rest_seconds(self, answer: Later, tries: int) -> float:
        """How long the entities of a message that failed rest, so that others' messages show whether it is to blame."""
        if answer.is_away or answer.after_seconds is not None:
            return 0.0
        return self._patience.backoff.wait_seconds(tries + 1)

    def given_up(self, alerts: Sequence[Alert], tries: Mapping[str, int], now: float) -> list[Alert]:
        """Which alerts of a message that failed are to be tried no more."""
        for alert in alerts:
            self._failed.setdefault(alert.place, _Failures(self._accepted)).number += 1
        found = [alert for alert in alerts if self._is_given_up(alert, tries.get(alert.place, 0), now)]
        self.forget(found)
        return found

    def too_old_since(self, now: float) -> float:
        """Since when an alert has waited too long; where the service takes nothing, that is all there is to say."""
        return now - self._patience.give_up_after_seconds

    def forget(self, alerts: Sequence[Alert]) -> None:
        """These are through."""
        for alert in alerts:
            self._failed.pop(alert.place, None)

    def _is_given_up(self, alert: Alert, tries: int, now: float) -> bool:
        if alert.waits_since <= self.too_old_since(now):
            return True
        failures = self._failed[alert.place]
        return max(tries, failures.number) >= self._patience.max_attempts and self._accepted > failures.accepted_before
