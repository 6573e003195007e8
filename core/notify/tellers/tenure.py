"""What a process knows of a destination for as long as it has it: what it has read, what failed, what may go."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.notify.choice.choose import choose
from core.notify.tellers.waiting_alerts import WaitingAlerts
from rtp_client.event import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.notify.alert import Alert
    from core.notify.choice.choose import Rules
    from core.notify.tellers.retries import Retries

LONGEST_WAIT_SECONDS = 60.0
_LOOKED_AT = 500


@dataclass(frozen=True)
class Chosen:
    """The alerts of a message that goes now. `spent_until` is what it leaves of the budget."""

    alerts: Sequence[Alert]
    spent_until: float


class Tenure:
    """For threads. Whoever looks at `retries`, `window` or `messages`, or changes them, has the lock."""

    def __init__(self, retries: Retries, rules: Rules, spent_until: float) -> None:
        self.lock = threading.Lock()
        self.retries = retries
        self.window = WaitingAlerts(hurries=rules.hurries)
        self.messages = 0
        self._spent_until = spent_until
        self._ready: deque[Sequence[Alert]] = deque()
        self._look_at: float | None = None

    @property
    def reads_behind(self) -> str | None:
        """Behind which place the outbox is read on; None where there is no room for more."""
        with self.lock:
            return self.window.reads_behind

    def places_before(self, alerts: Sequence[Alert]) -> list[str]:
        """What was passed over and is to be told before some of these that must not wait."""
        with self.lock:
            return self.window.places_before(alerts)

    def add(self, alerts: Sequence[Alert], behind: str, before: Sequence[Alert] = ()) -> bool:
        """The alerts of the outbox that stand behind that place. False where there was room for none of them."""
        with self.lock:
            if self.window.behind == behind and not self.window.is_full:
                self.window.add(alerts)
            else:
                is_next = self.window.looked_behind == behind  # or the destination was another's meanwhile
                if not (is_next and self.window.add_what_hurries(alerts, before)):
                    return False
            if any(alert.event.data.severity is Severity.CRITICAL for alert in alerts):
                self._ready.clear()  # what is critical goes first
            return True

    def put_back(self, alerts: Sequence[Alert], *, rest_until: float = 0.0) -> None:
        """These wait again; whoever calls it has the lock. What was chosen to follow them must not pass them."""
        self.window.put_back(alerts, rest_until=rest_until)
        self._ready.clear()

    def due_in(self, now: float) -> float | None:
        """In how many seconds something that was read can go; None where nothing waits."""
        with self.lock:
            if not len(self.window):
                return None
            return max(0.0, self.retries.retry_at - now, (self._look_at or now) - now)

    def begin_next(self, rules: Rules, now: float, *, at_once: int) -> tuple[Chosen | None, float]:
        """The next message, which is under way from here on; or for how many seconds there is none."""
        with self.lock:
            self._look_at = None
            if (rest := self.retries.retry_at - now) > 0:
                return None, rest
            # One message shows whether the service is back.
            if self.messages >= (1 if self.retries.failures else at_once):
                return None, LONGEST_WAIT_SECONDS
            if (alerts := self._next_ready()) is None:
                free, rests_end = self.window.free(now), self.window.rests_end()
                choice = choose(self._to_look_at(free, rules), rules, spent_until=self._spent_until, now=now)
                self._ready = deque(choice.messages)
                if (alerts := self._next_ready()) is None:
                    self._look_at = choice.look_at
                    ends = [end for end in (choice.look_at, rests_end) if end is not None]
                    return None, max(0.001, min(ends, default=now + LONGEST_WAIT_SECONDS) - now)
            self.window.begin(alerts)
            self.messages += 1
            self._spent_until = rules.budget.spend(self._spent_until, now)
            return Chosen(alerts, self._spent_until), 0.0

    def spend(self, rules: Rules, now: float) -> bool:
        """Take one more message of the budget; false where there is none."""
        with self.lock:
            if rules.budget.left(self._spent_until, now, is_critical=False) < 1:
                return False
            self._spent_until = rules.budget.spend(self._spent_until, now)
            return True

    def _to_look_at(self, free: Sequence[Alert], rules: Rules) -> Sequence[Alert]:
        """All of them; or where each goes alone and none before its turn, the first: looking at all takes its time."""
        is_one_by_one = not (rules.budget.seconds_each or rules.digest_seconds or rules.quiet or self.window.critical)
        return free[:_LOOKED_AT] if is_one_by_one else free

    def _next_ready(self) -> Sequence[Alert] | None:
        """The first message that passes nothing of its entities: neither under way, nor of a message before it."""
        passed: set[str] = set()
        for number, alerts in enumerate(self._ready):
            entities = {alert.event.partitionkey for alert in alerts}
            if self.window.are_free(entities) and passed.isdisjoint(entities):
                del self._ready[number]
                return alerts
            passed |= entities
        return None
