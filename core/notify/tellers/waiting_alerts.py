"""What this process has read of one destination's outbox, in order of arrival. Pure: no Redis, no threads.

An entity is busy while something of it is under way, or rests after a failure: nothing else of it may be told then, so
that nothing passes anything of its own entity.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rtp_client.event import Severity
from rtp_client.stream.entries import BEGINNING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.notify.alert import Alert

MOST_READ = 5_000
"""What is beyond waits in Redis alone, until there is room."""


class WaitingAlerts:
    """The alerts by place. `behind` is the place up to which the outbox was read."""

    def __init__(self, most: int = MOST_READ) -> None:
        self.behind = BEGINNING
        self.critical = 0
        """How many of them are critical."""
        self._most = most
        self._alerts: dict[str, Alert] = {}
        self._under_way: set[str] = set()
        self._busy: Counter[str] = Counter()
        self._rests_until: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._alerts)

    @property
    def is_full(self) -> bool:
        """Whether no more should be read for now."""
        return len(self._alerts) >= self._most

    @property
    def under_way(self) -> int:
        """How many alerts are being told."""
        return len(self._under_way)

    def add(self, alerts: Sequence[Alert]) -> None:
        """The next ones of the outbox."""
        for alert in alerts:
            self._alerts[alert.place] = alert
            self.critical += _is_critical(alert)
        if alerts:
            self.behind = alerts[-1].place

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

    def _end(self, alert: Alert) -> None:
        if alert.place in self._under_way:
            self._under_way.remove(alert.place)
            self._busy[alert.event.partitionkey] -= 1
            self._busy += Counter()  # leaves out what is none


def _is_critical(alert: Alert) -> bool:
    return alert.event.data.severity is Severity.CRITICAL
