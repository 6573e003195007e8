"""Who is told next, of what nobody has acknowledged in time.

The time runs from the moment at which an audience's rules let an alert go, and not from when a service has taken it:
where the service is away nobody was told, and the next should hear of it all the more.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from core.errors import SinkUnavailable
from core.notify.acknowledgement.acknowledgements import Expected
from core.notify.alert import Alert
from core.notify.choice.choose import choose, rules_of
from core.notify.choice.listeners import hears
from core.notify.outbox.outbox import Addressed
from core.notify.work_loop import WorkLoop

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.notify.acknowledgement.acknowledgements import Acknowledgements
    from core.notify.outbox.outbox import Outbox
    from core.settings.notify import Audience
    from rtp_client.event import Event

_PAUSE_SECONDS = 1.0


def expected_of(audiences: Iterable[Audience], event: Event, now: float) -> list[Expected]:
    """Until when each of these, which are told of an event now, is to acknowledge it."""
    return [
        Expected(audience.name, event, _told_at(audience, event, now) + wait.after.total_seconds())
        for audience in audiences
        if (wait := audience.unless_acknowledged)
    ]


def _told_at(audience: Audience, event: Event, now: float) -> float:
    """When an audience's digest and quiet hours let go an event that has come now."""
    alert, rules = Alert(event, f"{int(now * 1000)}-0"), rules_of(audience, None)
    while (look_at := choose([alert], rules, spent_until=0, now=now).look_at) is not None:
        now = look_at
    return now


class Escalator(WorkLoop):
    """Tells the next audiences. For any number of processes, killed at any instant: an outbox takes everything once."""

    def __init__(self, audiences: Sequence[Audience], acknowledgements: Acknowledgements, outbox: Outbox) -> None:
        super().__init__("escalation")
        self._audiences = {audience.name: audience for audience in audiences}
        self._acknowledgements = acknowledgements
        self._outbox = outbox
        self._busy_at = time.monotonic()

    def start(self) -> None:
        """Look once before anything else: a process may be there for moments only."""
        self._look()
        super().start()

    def idle_seconds(self, now: float) -> float:
        """How long nothing was overdue, on the monotonic clock."""
        return now - self._busy_at

    def turn(self, now: float) -> None:
        """Tell on what is overdue. Raises SinkUnavailable."""
        overdue = self._acknowledgements.overdue(now)
        escalated, told = 0, [(one.event, audience) for one in overdue for audience in self._next(one)]
        if told:
            self._busy_at = time.monotonic()
            self._acknowledgements.expect(
                waited for event, audience in told for waited in expected_of([audience], event, now)
            )
            alerts = [Addressed(event, list(to.destinations), f"{event.id} {to.name}") for event, to in told]
            escalated = self._outbox.put(alerts) or 0
        self._acknowledgements.settled(overdue, escalated=escalated)

    def _next(self, overdue: Expected) -> list[Audience]:
        """Whom the settings name. An audience that is theirs no more tells nobody."""
        audience = self._audiences.get(overdue.audience)
        named = [self._audiences[name] for name in audience.tells] if audience else []
        return [one for one in named if hears(one, overdue.event.data)]

    def _run(self) -> None:
        while not self._stopping.wait(_PAUSE_SECONDS):
            self._look()

    def _look(self) -> None:
        with suppress(SinkUnavailable):  # the leases tell of it
            self.turn(time.time())
