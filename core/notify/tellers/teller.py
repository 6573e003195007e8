"""A destination's teller: it takes what waits, tells it message by message, and notes what came of each.

The order of the steps is what makes a kill at any instant safe: `begin` notes the try, the service is told, `settle`
takes the alerts off the outbox. Killed before the service has answered, or before that is noted, the message is told
once more, by whoever has the destination next.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from core.errors import SinkUnavailable
from core.notify.answer import Declined, Later
from core.notify.tellers.pace import MessagePace
from core.notify.tellers.retries import Retries
from core.notify.tellers.settlement import MessageSettlement
from core.notify.tellers.suspects import told_in_halves
from core.notify.tellers.tenure import LONGEST_WAIT_SECONDS, Chosen, Tenure
from core.notify.work_loop import WorkLoop
from core.services.daemon_pool import DaemonPool
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from core.notify.alert import Alert
    from core.notify.answer import Answer
    from core.notify.outbox.lease import Leases
    from core.notify.outbox.outbox import Outbox
    from core.notify.outcome import MessageOutcome
    from core.notify.tellers.telling import Telling
    from core.problem import Problem

_REDIS_PAUSE_SECONDS = 0.2


class Teller(WorkLoop):
    """One destination. Its thread chooses, others tell."""

    def __init__(
        self,
        name: str,
        outbox: Outbox,
        leases: Leases,
        telling: Telling,
        *,
        on_outcome: Callable[[MessageOutcome], None],
        on_problem: Callable[[Problem], None],
    ) -> None:
        super().__init__(name)
        self.name = name
        self._outbox, self._leases, self._telling = outbox, leases, telling
        self._settlement = MessageSettlement(name, outbox, leases.token, on_outcome=on_outcome, on_problem=on_problem)
        self._pace = MessagePace(telling.at_once)
        self._pool = DaemonPool(telling.at_once, name=f"notify_{name}")
        self._tenure: Tenure | None = None
        self._term = 0
        self._former: Tenure | None = None
        self._wake = threading.Event()

    def stop(self, within_seconds: float | None = None) -> None:
        """Begin nothing more."""
        self._stopping.set()
        self._wake.set()
        super().stop(within_seconds)

    def finish(self, within_seconds: float) -> bool:
        """Begin nothing more, and wait for what is under way; false where that takes longer."""
        deadline = time.monotonic() + within_seconds
        self.stop()
        while self.messages and time.monotonic() < deadline:
            self._wake.wait(0.05)
            self._wake.clear()
        self._pool.shutdown(wait=False)
        return not self.messages

    def wake(self) -> None:
        """Something may have changed: look again."""
        self._wake.set()

    @property
    def is_at_work(self) -> bool:
        """Whether the destination is this process's."""
        return self._tenure is not None

    @property
    def failing_for(self) -> str:
        """Why the service takes nothing now; empty where it does."""
        return "" if (tenure := self._tenure) is None else tenure.retries.reason

    @property
    def messages(self) -> int:
        """How many are under way."""
        return sum(tenure.messages for tenure in (self._tenure, self._former) if tenure is not None)

    @property
    def reads_behind(self) -> str | None:
        """Behind which place the outbox is read on; None where no more should be."""
        if (tenure := self._tenure) is None:
            return None
        return tenure.reads_behind

    def due_in(self, now: float) -> float | None:
        """In how many seconds something that was read can go; None where nothing waits."""
        return None if (tenure := self._tenure) is None else tenure.due_in(now)

    def places_before(self, alerts: Sequence[Alert]) -> list[str]:
        """What is to be read again, to be told before these."""
        return [] if (tenure := self._tenure) is None else tenure.places_before(alerts)

    def add(self, alerts: Sequence[Alert], behind: str, before: Sequence[Alert] = ()) -> None:
        """The alerts of the outbox that stand behind that place."""
        if (tenure := self._tenure) is not None and tenure.add(alerts, behind, before):
            self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            self._wake.wait(min(self._turn(), LONGEST_WAIT_SECONDS))

    def _turn(self) -> float:
        """Begin all that can be begun. Returns after how many seconds to look again, if nothing happens before."""
        term = self._leases.term(self.name)
        if term != self._term:
            self._give_up()
            self._term = term
        if not term:
            return LONGEST_WAIT_SECONDS
        if (tenure := self._tenure) is None:
            return 0.0 if self._take_over() else _REDIS_PAUSE_SECONDS
        if self._leases.gives_back(self.name):
            if not tenure.messages:
                self._give_up()
                self._leases.give_back(self.name)
            return LONGEST_WAIT_SECONDS
        while not self._stopping.is_set():
            message, seconds = tenure.begin_next(self._telling.rules, time.time(), at_once=self._pace.at_once)
            if message is None:
                return seconds
            sending = self._pool.submit(self._send, tenure, message)
            sending.add_done_callback(partial(self._came, tenure, message.alerts))
        return 0.0

    def _give_up(self) -> None:
        if self._tenure is not None:
            self._tenure, self._former = None, self._tenure

    def _take_over(self) -> bool:
        """Begin where Redis says that the destination stands; false where that cannot be yet."""
        if self.messages:  # from before the destination was another's: they must not be passed
            return False
        try:
            standing = self._outbox.standing(self.name)
        except SinkUnavailable:  # the leases tell of it
            return False
        retries = Retries(self._telling.patience, failures=standing.failures_in_a_row, retry_at=standing.retry_at)
        self._tenure = Tenure(retries, self._telling.rules, standing.spent_until)
        return True

    def _send(self, tenure: Tenure, message: Chosen) -> bool:
        """Tell it, and note what came of it; false where the destination is another's."""
        places = [alert.place for alert in message.alerts]
        tries = self._outbox.begin(self.name, places, self._leases.token, spent_until=message.spent_until)
        if tries is None or not self._leases.holds(self.name):  # a process may be stopped between any two lines
            return False
        left = [alert for alert in message.alerts if alert.place in tries]
        with tenure.lock:
            tenure.window.done([alert for alert in message.alerts if alert.place not in tries])
        for alerts, answer in self._told(tenure, left) if left else ():
            self._settlement.settle(tenure, alerts, tries, answer)
        return True

    def _told(self, tenure: Tenure, alerts: Sequence[Alert]) -> Iterable[tuple[Sequence[Alert], Answer]]:
        """What the service answers to a message, or to each part of one that it refuses."""
        with self._pace.telling():
            answer = self._telling.tell(alerts)
        if not isinstance(answer, Declined):
            return [(alerts, answer)]

        def tell_more(part: Sequence[Alert]) -> Answer | None:
            is_mine = self._leases.holds(self.name) and tenure.spend(self._telling.rules, time.time())
            return self._telling.tell(part) if is_mine else None

        return told_in_halves(alerts, answer, tell_more)

    def _came(self, tenure: Tenure, alerts: Sequence[Alert], sending: Future[bool]) -> None:
        error = sending.exception()
        if isinstance(error, SinkUnavailable):
            with tenure.lock:
                tenure.retries.postpone(time.time() + _REDIS_PAUSE_SECONDS)
                tenure.put_back(alerts)
        elif error is not None:
            self._settlement.settle(tenure, alerts, {}, Later(f"rtp could not tell it: {one_line(error)}"))
        elif not sending.result():
            self._leases.lost(self.name)
        with tenure.lock:
            tenure.messages -= 1
        self._wake.set()
