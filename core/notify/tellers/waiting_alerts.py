"""What this process has read of one destination's outbox, in order of arrival. Pure: no Redis, no threads.

An entity is busy while something of it is under way, or rests after a failure: nothing else of it may be told then, so
that nothing passes anything of its own entity.
"""

from __future__ import annotations

from collections import Counter
from sys import intern
from typing import TYPE_CHECKING

from rtp_client.event import Severity
from rtp_client.stream.entries import BEGINNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from core.notify.alert import Alert

MOST_READ = 5_000
"""What is beyond waits in Redis alone, until there is room; but for what must not wait."""
MOST_PASSED_OVER = 50_000
"""So far beyond is looked for that."""


class WaitingAlerts:
    """The alerts by place.

    `behind` is the place up to which the outbox was read, `looked_behind` up to which it was looked for what `hurries`:
    for what no digest and no quiet hours hold back.
    """

    def __init__(self, most: int = MOST_READ, hurries: Callable[[Alert], bool] = lambda _: False) -> None:
        self.behind = BEGINNING
        self.looked_behind = BEGINNING
        self.critical = 0
        """How many of them are critical."""
        self._most = most
        self._hurries = hurries
        self._passed_over: dict[str, str] = {}
        self._alerts: dict[str, Alert] = {}
        self._under_way: set[str] = set()
        self._busy: Counter[str] = Counter()
        self._rests_until: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._alerts)

    @property
    def is_full(self) -> bool:
        """Whether there is room only for what must not wait."""
        return len(self._alerts) >= self._most

    @property
    def reads_behind(self) -> str | None:
        """Behind which place to read on; None where nothing more should be read for now."""
        if not self.is_full:
            return self.behind
        is_too_much = len(self._alerts) >= 2 * self._most or len(self._passed_over) >= MOST_PASSED_OVER
        return None if is_too_much else self.looked_behind

    def add(self, alerts: Sequence[Alert]) -> None:
        """The next ones of the outbox."""
        for alert in alerts:
            self._put(alert)
        if alerts:
            self.behind = alerts[-1].place
        if not self._passed_over:
            self.looked_behind = self.behind

    def places_before(self, alerts: Iterable[Alert]) -> list[str]:
        """What was passed over of the entities of which one of these must not wait."""
        hurried = {alert.event.partitionkey for alert in alerts if self._hurries(alert)}
        return [place for place, entity in self._passed_over.items() if entity in hurried] if hurried else []

    def add_what_hurries(self, alerts: Sequence[Alert], before: Iterable[Alert]) -> bool:
        """Of what there is no room for, only what must not wait, with what its entity has `before` it.

        The rest is passed over, and read again when there is room. Returns whether anything was added.
        """
        hurried = {alert.event.partitionkey for alert in alerts if self._hurries(alert)}
        added = [*before, *(alert for alert in alerts if alert.event.partitionkey in hurried)]
        for alert in added:
            self._put(alert)
        for alert in alerts:
            if alert.event.partitionkey not in hurried:
                self._passed_over[alert.place] = intern(alert.event.partitionkey)
        self.looked_behind = alerts[-1].place
        return bool(added)

    def free(self, now: float) -> list[Alert]:
        """What may be told, in order."""
        if not self._busy and not self._rests_until:
            return list(self._alerts.values())
        for entity in [entity for entity, until in self._rests_until.items() if until <= now]:
            del self._rests_until[entity]
        kept = self._busy.keys() | self._rests_until.keys()
        return [alert for alert in self._alerts.values() if alert.event.partitionkey not in kept]

    def are_free(self, entities: Iterable[str]) -> bool:
        """Whether none of these is busy."""
        return not any(entity in self._busy or entity in self._rests_until for entity in entities)

    def since_before(self, moment: float) -> list[Alert]:
        """What has waited since before that, in order, but for what is under way."""
        return [
            alert
            for alert in self._alerts.values()
            if alert.waits_since <= moment and alert.place not in self._under_way
        ]

    def rests_end(self) -> float | None:
        """When the first entity that rests may be told of again."""
        return min(self._rests_until.values(), default=None)

    def begin(self, alerts: Iterable[Alert]) -> None:
        """These are being told."""
        for alert in alerts:
            self._under_way.add(alert.place)
            self._busy[alert.event.partitionkey] += 1

    def done(self, alerts: Iterable[Alert]) -> None:
        """These are through: told, or dead."""
        for alert in alerts:
            self._end(alert)
            if self._alerts.pop(alert.place, None):
                self.critical -= _is_critical(alert)

    def put_back(self, alerts: Iterable[Alert], *, rest_until: float = 0.0) -> None:
        """These wait again, where they were; their entities rest."""
        for alert in alerts:
            self._end(alert)
            if rest_until:
                self._rests_until[alert.event.partitionkey] = rest_until

    def _put(self, alert: Alert) -> None:
        if alert.place not in self._alerts:
            self.critical += _is_critical(alert)
        self._alerts[alert.place] = alert
        self._passed_over.pop(alert.place, None)

    def _end(self, alert: Alert) -> None:
        if alert.place in self._under_way:
            self._under_way.remove(alert.place)
            self._busy[alert.event.partitionkey] -= 1
            self._busy += Counter()  # leaves out what is none


def _is_critical(alert: Alert) -> bool:
    return alert.event.data.severity is Severity.CRITICAL
