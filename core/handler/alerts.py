"""Alerts from Redis to SQS: what waits is sent to each queue by itself, and a queue that fails holds up no other."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from core.errors import SinkUnavailable
from core.handler.orphans import bury_orphans

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from core.handler.alert_sender import AlertSender, Sent
    from core.handler.alert_store import AlertStore, PendingAlerts
    from core.handler.earlier_alerts import EarlierAlerts
    from core.letters.stream_letters import StreamLetter
    from rtp_client.event import Event

_OF_EACH = 100
_KEYS_AT_ONCE = 100
_ORPHANED_FOR = timedelta(hours=1)
"""Longer than a deployment takes, during which some of the functions know other queues than the rest."""
_MOST_SECONDS = 20.0
"""How long a tick sends. A Lambda is cut off after a minute."""


@dataclass
class AlertsReport:
    """What became of alerts: how many of these still wait, by queue, why, and how many were buried."""

    left: Counter[str] = field(default_factory=Counter)
    causes: list[str] = field(default_factory=list)
    dead: int = 0

    def add(self, queue: str, sent: Sent) -> None:
        """Count what became of some of a queue's."""
        self.left[queue] += sum(sent.left.values())
        self.causes.extend(sent.causes)
        self.dead += sent.dead


class Alerts:
    """Sends what waits in Redis. Nothing of this fails a record: what is not sent now goes on waiting.

    `bury` takes a dead letter, or raises SinkUnavailable.
    """

    def __init__(
        self,
        senders: Sequence[AlertSender],
        store: AlertStore,
        *,
        bury: Callable[[StreamLetter], None],
        earlier: EarlierAlerts | None = None,
    ) -> None:
        self._senders = senders
        self._store = store
        self._bury = bury
        self._earlier = earlier

    def queues_of(self, event: Event) -> list[str]:
        """The queues that the event belongs in."""
        return [sender.queue for sender in self._senders if sender.wants(event.data)]

    def carry_over(self) -> None:
        """Have what an earlier version of rtp kept wait like all else. Raises SinkUnavailable without Redis."""
        if self._earlier is not None:
            self._earlier.carry_over(self.queues_of)

    def send(self, fresh: Mapping[str, Sequence[Event]], behind: Collection[str]) -> AlertsReport:
        """Send baselines' new events; of the baselines in `behind` first what waits of theirs from before."""
        report = AlertsReport()
        for sender in self._senders:
            new = {key: found for key, events in fresh.items() if (found := _wanted(sender, events))}
            if sender.is_resting:
                report.left[sender.queue] += sum(map(len, new.values()))
                continue
            try:
                older = self._store.oldest(sender.queue, sorted(behind), of_each=_OF_EACH) if behind else {}
                alerts = {**{key: events for key, events in new.items() if key not in behind}, **older}
                if alerts:
                    report.add(sender.queue, sender.send(alerts))
            except SinkUnavailable as error:
                report.causes.append(str(error))
        return report

    def resend(self, before: datetime) -> AlertsReport:
        """Send what has waited since `before`. Raises SinkUnavailable without Redis."""
        self.carry_over()
        report = AlertsReport()
        for sender in self._senders:
            until, stuck = time.monotonic() + _MOST_SECONDS / len(self._senders), set[str]()
            while not sender.is_resting and time.monotonic() < until:
                found = self._store.waiting(sender.queue, before, most=_KEYS_AT_ONCE + len(stuck))
                keys = [key for key in found if key not in stuck]
                if not keys:
                    break
                sent = sender.send(self._store.oldest(sender.queue, keys, of_each=_OF_EACH))
                report.add(sender.queue, sent)
                stuck.update(sent.left)
        named = {sender.queue for sender in self._senders}
        report.dead += bury_orphans(self._store, named, self._bury, before=before - _ORPHANED_FOR)
        return report

    def pending(self) -> list[PendingAlerts]:
        """What waits, by queue. Raises SinkUnavailable without Redis."""
        return self._store.pending()


def _wanted(sender: AlertSender, events: Sequence[Event]) -> list[Event]:
    return [event for event in events if sender.wants(event.data)]
