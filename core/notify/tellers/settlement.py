"""What came of a message, noted in Redis and in memory: told, to be tried again, or dead."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.notify.answer import Accepted, Declined, Later
from core.problem import LastingProblem, Problem, counted, event_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.notify.alert import Alert
    from core.notify.answer import Answer
    from core.notify.outbox.outbox import Outbox
    from core.notify.tellers.tenure import Tenure

_REDIS_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Came:
    """What came of a message. `dead` are the alerts of it that are given up."""

    destination: str
    alerts: Sequence[Alert]
    answer: Answer
    at: float
    dead: Sequence[Alert] = ()
    retry_at: float = 0.0


class MessageSettlement:
    """One destination's. For threads."""

    def __init__(
        self,
        destination: str,
        outbox: Outbox,
        token: str,
        *,
        on_came: Callable[[Came], None],
        on_problem: Callable[[Problem], None],
    ) -> None:
        self._destination, self._outbox, self._token = destination, outbox, token
        self._on_came, self._on_problem = on_came, on_problem
        self._failing = LastingProblem("notify", on_problem)

    def settle(self, tenure: Tenure, alerts: Sequence[Alert], tries: Mapping[str, int], answer: Answer) -> None:
        """The service has answered; `alerts` are those that it was told."""
        match answer:
            case Later():
                self._failed(tenure, alerts, tries, answer)
            case Accepted():
                self._is_answering(tenure, alerts, {"told_at": time.time()}, told=len(alerts))
            case Declined(reason):
                self._is_answering(tenure, alerts, {"reason": reason}, dead=reason)
        if not isinstance(answer, Later):
            self._tell_of(Came(self._destination, alerts, answer, time.time(), _dead(alerts, answer)))

    def _is_answering(
        self, tenure: Tenure, alerts: Sequence[Alert], note: dict[str, Any], *, told: int = 0, dead: str = ""
    ) -> None:
        """The alerts leave the outbox. A service that refuses a message is there, as one that takes it."""
        with tenure.lock:
            was_failing = tenure.retries.failures > 0
            tenure.retries.accepted()
            tenure.retries.forget(alerts)
        if was_failing:
            note |= {"failures_in_a_row": 0, "retry_at": 0}
            self._failing.is_over(f"{self._destination}: told again")
        add = {"told": told, "messages": 1, "folded": told - 1} if told else {"dead": len(alerts)}
        self._note(alerts, add, note, dead)
        with tenure.lock:
            tenure.window.done(alerts)

    def _failed(self, tenure: Tenure, alerts: Sequence[Alert], tries: Mapping[str, int], answer: Later) -> None:
        """The alerts wait for another try, but for those that are given up."""
        now, most = time.time(), max(tries.values(), default=1)
        with tenure.lock:
            retries = tenure.retries
            retries.failed(answer, now)
            rest = retries.rest_seconds(answer, most)
            dead = retries.given_up(alerts, tries, now)
            mine = {alert.place for alert in alerts}
            others = tenure.window.since_before(retries.too_old_since(now))
            too_old = [alert for alert in others if alert.place not in mine]
            failures, retry_at = retries.failures, retries.retry_at
        note = {"failures_in_a_row": failures, "retry_at": retry_at, "reason": answer.reason}
        again = [alert for alert in alerts if alert not in dead]
        facts = {"destination": self._destination, "reason": answer.reason}
        self._failing.tell(f"{self._destination}: {answer.reason}. Trying again", facts=facts)
        self._note([], {"failed": 1, "retried": len(again)}, note, "")
        if dead:
            self._note(
                dead, {"dead": len(dead)}, {}, f"given up after {counted(most, 'try', 'tries')}: {answer.reason}"
            )
        if too_old:
            self._note(too_old, {"dead": len(too_old)}, {}, f"it has waited for too long: {answer.reason}")
            dead = [*dead, *too_old]
        with tenure.lock:
            tenure.put_back(again, rest_until=now + rest if rest else 0.0)
            tenure.window.done(dead)
        self._tell_of(Came(self._destination, alerts, answer, now, dead, retry_at))

    def _tell_of(self, came: Came) -> None:
        if came.dead and isinstance(came.answer, Later | Declined):
            dead = counted(len(came.dead), "alert")
            text = f"{self._destination}: {dead} can never be told: {came.answer.reason}. Look at `rtp dlq list`"
            facts = {"destination": self._destination, **event_facts([alert.event.id for alert in came.dead])}
            self._on_problem(Problem(text, "notify", facts=facts))
        self._on_came(came)

    def _note(self, through: Sequence[Alert], add: Mapping[str, int], note: Mapping[str, Any], dead: str) -> None:
        """Note it, however long Redis is away: what is told and not noted would be told twice."""
        places = [alert.place for alert in through]
        while True:
            try:
                self._outbox.settle(self._destination, places, self._token, add=add, note=note, dead=dead)
            except SinkUnavailable:
                time.sleep(_REDIS_PAUSE_SECONDS)
            else:
                return


def _dead(alerts: Sequence[Alert], answer: Answer) -> Sequence[Alert]:
    return alerts if isinstance(answer, Declined) else ()
