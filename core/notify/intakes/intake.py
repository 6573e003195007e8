"""From documents, wherever they come from, into the outbox."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.notify.acknowledgement.escalation import expected_of
from core.notify.choice.listeners import listeners
from core.notify.outbox.outbox import Addressed
from core.problem import Problem
from rtp_client.event import decode_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from core.notify.acknowledgement.acknowledgements import Acknowledgements
    from core.notify.outbox.outbox import Outbox, Taken
    from core.settings.notify import Audience
    from rtp_client.event import Event


class Intake:
    """Puts events where somebody is to be told of them. For threads.

    What is no event can be told to nobody. It is told of as a problem, and passed over: left where it is, it would
    come again and again, and keep back what is behind it.

    Who is to acknowledge what is noted first: where that is all that is done, the next try does the rest.
    """

    def __init__(
        self,
        audiences: Sequence[Audience],
        outbox: Outbox,
        acknowledgements: Acknowledgements,
        *,
        on_problem: Callable[[Problem], None],
    ) -> None:
        self.taken = 0
        self.passed_over = 0
        self._audiences = audiences
        self._outbox = outbox
        self._acknowledgements = acknowledgements
        self._on_problem = on_problem

    def take(self, documents: Sequence[bytes | str], entries: Taken | None = None) -> bool:
        """Put these in, in this order. Raises SinkUnavailable.

        False where they were taken from the stream, by a process that may not any more.
        """
        addressed = [(event, listeners(self._audiences, event.data)) for event in self._events(documents)]
        now = time.time()
        self._acknowledgements.expect(one for event, told in addressed for one in expected_of(told, event, now))
        alerts = [Addressed(event, [name for one in told for name in one.destinations]) for event, told in addressed]
        if self._outbox.put(alerts, entries) is None:
            return False
        self.taken += len(documents)
        return True

    def _events(self, documents: Iterable[bytes | str]) -> list[Event]:
        found = []
        for document in documents:
            try:
                found.append(decode_event(document))
            except ValueError as error:
                self.passed_over += 1
                self._on_problem(Problem(f"something that is no event was passed over: {error}", "notify"))
        return found
