"""Which messages a destination would get of alerts that came when they came. Pure: time goes as fast as it can be told.

`choice/` chooses, as it does for `rtp notify`; each message is accepted at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.notify.choice.choose import Rules, choose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.notify.alert import Alert


@dataclass(frozen=True)
class Rehearsed:
    """A message, and when it would go, Unix time."""

    at: float
    alerts: Sequence[Alert]


def rehearse(alerts: Sequence[Alert], rules: Rules) -> Iterator[Rehearsed]:
    """The messages, in order, of alerts in the order of their arrival."""
    coming = deque(alerts)
    waiting: list[Alert] = []
    now = spent_until = 0.0
    while coming or waiting:
        if not waiting:
            now = max(now, coming[0].waits_since)
        while coming and coming[0].waits_since <= now:
            waiting.append(coming.popleft())
        choice = choose(waiting, rules, spent_until=spent_until, now=now)
        for message in choice.messages:
            spent_until = rules.budget.spend(spent_until, now)
            yield Rehearsed(now, message)
        if choice.messages:
            gone = {alert.place for message in choice.messages for alert in message}
            waiting = [alert for alert in waiting if alert.place not in gone]
            continue
        looks = [at for at in (choice.look_at, coming[0].waits_since if coming else None) if at is not None]
        if not looks:
            return
        now = max(now, min(looks))
