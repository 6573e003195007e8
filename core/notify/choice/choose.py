"""Which alerts that wait go now, and in which messages. Pure: from the alerts, the rules and the time.

An alert goes alone, unless
- the limit leaves fewer messages than are needed: then all that may go is one message;
- its audience has a digest, or it has waited for quiet hours to end: those go together;
- it is part of a market-wide move: what waits of that goes together.

Whatever goes takes along what its entity still has before it, so that an entity's alerts are told in order.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.kinds import MARKET
from core.notify.choice.budget import UNLIMITED, Budget, budget_of
from core.notify.choice.quiet import last_end, quiet_until
from rtp_client.event import Severity
from rtp_client.event_filter import SEVERITY_RANK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.notify.alert import Alert
    from core.settings.notify import Audience
    from core.settings.rhythm import MessageLimit, Quiet

MOST_AT_ONCE = 100
"""So many messages are chosen at a time."""
_TOGETHER = "together"


@dataclass(frozen=True)
class Rules:
    """What decides when a destination is told. `digest_seconds` 0: there is no digest."""

    digest_seconds: float = 0.0
    quiet: Quiet | None = None
    budget: Budget = UNLIMITED

    def is_exempt(self, alert: Alert) -> bool:
        """Whether it is told in quiet hours, too."""
        unless = self.quiet.unless if self.quiet else None
        return unless is not None and SEVERITY_RANK[alert.event.data.severity] >= SEVERITY_RANK[unless]

    def hurries(self, alert: Alert) -> bool:
        """Whether something that holds back others does not hold it back."""
        return _is_critical(alert) or self.is_exempt(alert)

    def company_of(self, alert: Alert, night_ended: float) -> str:
        """Which alerts go together: those with the same company. `night_ended` is when it was last quiet."""
        if self.digest_seconds and not _is_critical(alert):
            return _TOGETHER
        if alert.waits_since < night_ended and not self.is_exempt(alert):
            return _TOGETHER
        return _market_of(alert) or f"alone {alert.place}"


def rules_of(audience: Audience, limit: MessageLimit | None) -> Rules:
    """The rules of a destination of this audience, with the limit that it has (`limits.py`)."""
    digest = audience.digest.total_seconds() if audience.digest else 0.0
    return Rules(digest, audience.quiet, budget_of(limit))


@dataclass(frozen=True)
class Choice:
    """The messages that go now, one after the other, each with its alerts in the order in which they came.

    Without any, `look_at` is the time to look again; None: not before something else comes.
    """

    messages: Sequence[Sequence[Alert]] = ()
    look_at: float | None = None


def choose(waiting: Sequence[Alert], rules: Rules, *, spent_until: float, now: float) -> Choice:
    """Choose among alerts that wait, in the order in which they came. `spent_until` is the budget's number."""
    rests_until = quiet_until(rules.quiet, now) if rules.quiet and waiting else None
    awake = [place for place, alert in enumerate(waiting) if rests_until is None or rules.is_exempt(alert)]
    if not awake:
        return Choice(look_at=rests_until)
    urgent = [place for place in awake if _is_critical(waiting[place])]
    if rules.digest_seconds and not urgent:
        gathered_at = waiting[awake[0]].waits_since + rules.digest_seconds
        if gathered_at > now:
            return Choice(look_at=gathered_at)
    left = rules.budget.left(spent_until, now, is_critical=bool(urgent))
    if left < 1:
        return Choice(look_at=rules.budget.free_at(spent_until, now, is_critical=bool(urgent)))
    groups = _groups(waiting, awake, urgent or awake, rules, now)
    if len(groups) > left:
        groups = [awake]
    return Choice(_messages(waiting, groups[:MOST_AT_ONCE]))


def _groups(
    waiting: Sequence[Alert], awake: Sequence[int], due: Sequence[int], rules: Rules, now: float
) -> list[list[int]]:
    """What goes together with something that is due: places, in the order of the first."""
    night_ended = last_end(rules.quiet, now) if rules.quiet else 0.0
    groups: dict[str, list[int]] = {rules.company_of(waiting[place], night_ended): [] for place in due}
    awake_too = set(awake)
    for place, alert in enumerate(waiting):
        market = _market_of(alert)
        if market in groups:  # of a market-wide move even what still rests, or gathers
            groups[market].append(place)
        elif place in awake_too and (company := rules.company_of(alert, night_ended)) in groups:
            groups[company].append(place)
    return list(groups.values())


def _messages(waiting: Sequence[Alert], groups: Sequence[Sequence[int]]) -> list[list[Alert]]:
    """A message for each group, with what the entities of the group have before it."""
    before: dict[str, deque[int]] = defaultdict(deque)
    for place, alert in enumerate(waiting):
        before[alert.event.partitionkey].append(place)
    messages = []
    for group in groups:
        taken: list[int] = []
        for place in group:
            of_entity = before[waiting[place].event.partitionkey]
            while of_entity and of_entity[0] <= place:
                taken.append(of_entity.popleft())
        if taken:
            messages.append([waiting[place] for place in sorted(taken)])
    return messages


def _market_of(alert: Alert) -> str | None:
    """The market-wide move that an alert tells of, or is part of."""
    data = alert.event.data
    market = alert.event.id if data.kind == MARKET.name else data.market
    return market and f"market {market}"


def _is_critical(alert: Alert) -> bool:
    return alert.event.data.severity is Severity.CRITICAL
