"""What a service's answer means for its alerts, noted in Redis and in memory: told, to be tried again, or dead."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.notify.answer import Accepted, Declined, Later
from core.notify.counts import DestinationCounts
from core.notify.outcome import MessageOutcome
from core.problem import LastingProblem, Problem, counted, event_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.notify.alert import Alert
    from core.notify.answer import Answer
    from core.notify.outbox.outbox import Outbox
    from core.notify.tellers.tenure import Tenure

_REDIS_PAUSE_SECONDS = 0.2


class MessageSettlement:
    """One destination's. For threads."""

    def __init__(
        self,
        destination: str,
        outbox: Outbox,
        token: str,
        *,
        on_outcome: Callable[[MessageOutcome], None],
        on_problem: Callable[[Problem], None],
    ) -> None:
        self._destination, self._outbox, self._token = destination, outbox, token
        self._on_outcome, self._on_problem = on_outcome, on_problem
        self._failing = LastingProblem("notify", on_problem)

    def settle(self, tenure: Tenure, alerts: Sequence[Alert], tries: Mapping[str, int], answer: Answer) -> None:
        """The service has answered; `alerts` are those that it was told."""
        match answer:
            case Later():
                outcome = self._failed(tenure, alerts, tries, answer)
            case Accepted():
                outcome = self._accepted(tenure, alerts, answer)
            case Declined():
                outcome = self._declined(tenure, alerts, answer)
        self._tell_of(outcome)

    def _accepted(self, tenure: Tenure, alerts: Sequence[Alert], answer: Accepted) -> MessageOutcome:
        counts, now = DestinationCounts(told=len(alerts), messages=1, folded=len(alerts) - 1), time.time()
        self._through(tenure, alerts, counts, {"told_at": now})
        return MessageOutcome(self._destination, alerts, answer, now, counts)

    def _declined(self, tenure: Tenure, alerts: Sequence[Alert], answer: Declined) -> MessageOutcome:
        counts = DestinationCounts(failed=1, dead=len(alerts))
        self._through(tenure, alerts, counts, {"reason": answer.reason}, dead=answer.reason)
        return MessageOutcome(self._destination, alerts, answer, time.time(), counts, dead=alerts)

    def _through(
        self,
        tenure: Tenure,
        alerts: Sequence[Alert],
        counts: DestinationCounts,
        note: dict[str, Any],
        *,
        dead: str = "",
    ) -> None:
        """The alerts leave the outbox. A service that refuses a message is there, as one that takes it."""
        with tenure.lock:
            was_failing = tenure.retries.failures > 0
            tenure.retries.accepted()
            tenure.retries.forget(alerts)
        if was_failing:
            note |= {"failures_in_a_row": 0, "retry_at": 0}
            self._failing.is_over(f"{self._destination}: told again")
        self._note(alerts, counts, note, dead)
        with tenure.lock:
            tenure.window.done(alerts)

    def _failed(
        self, tenure: Tenure, alerts: Sequence[Alert], tries: Mapping[str, int], answer: Later
    ) -> MessageOutcome:
        """The alerts wait for another try, but for those that are given up."""
        now, most = time.time(), max(tries.values(), default=1)
        with tenure.lock:
            retries = tenure.retries
            retries.failed(answer, now)
            rest = retries.rest_seconds(answer, most)
            given_up = retries.given_up(alerts, tries, now)
            mine = {alert.place for alert in alerts}
            others = tenure.window.since_before(retries.too_old_since(now))
            too_old = [alert for alert in others if alert.place not in mine]
            failures, retry_at = retries.failures, retries.retry_at
        again = [alert for alert in alerts if alert not in given_up]
        facts = {"destination": self._destination, "reason": answer.reason}
        self._failing.tell(f"{self._destination}: {answer.reason}. Trying again", facts=facts)
        note = {"failures_in_a_row": failures, "retry_at": retry_at, "reason": answer.reason}
        self._note([], DestinationCounts(failed=1, retried=len(again)), note)
        self._bury(given_up, f"given up after {counted(most, 'try', 'tries')}: {answer.reason}")
        self._bury(too_old, f"it has waited for too long: {answer.reason}")
        dead = [*given_up, *too_old]
        with tenure.lock:
            tenure.put_back(again, rest_until=now + rest if rest else 0.0)
            tenure.window.done(dead)
        counts = DestinationCounts(failed=1, retried=len(again), dead=len(dead))
        return MessageOutcome(self._destination, alerts, answer, now, counts, dead, retry_at)

    def _bury(self, alerts: Sequence[Alert], reason: str) -> None:
        if alerts:
            self._note(alerts, DestinationCounts(dead=len(alerts)), {}, reason)

    def _tell_of(self, outcome: MessageOutcome) -> None:
        if outcome.dead and isinstance(outcome.answer, Later | Declined):
            dead = counted(len(outcome.dead), "alert")
            text = f"{self._destination}: {dead} can never be told: {outcome.answer.reason}. Look at `rtp dlq list`"
            facts = {"destination": self._destination, **event_facts([alert.event.id for alert in outcome.dead])}
            self._on_problem(Problem(text, "notify", facts=facts))
        self._on_outcome(outcome)

    def _note(
        self, through: Sequence[Alert], counts: DestinationCounts, note: Mapping[str, Any], dead: str = ""
    ) -> None:
        """Note it, however long Redis is away: what is told and not noted would be told twice."""
        places = [alert.place for alert in through]
        while True:
            try:
                self._outbox.settle(self._destination, places, self._token, counts=counts, note=note, dead=dead)
            except SinkUnavailable:
                time.sleep(_REDIS_PAUSE_SECONDS)
            else:
                return
