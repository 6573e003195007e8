"""Market-wide moves: a watch's entities that fire at once are one event. Pure, in exact arithmetic.

What fires is a deviation, a move over time or a fall to zero: a peg is each price's own. Once there is such a move, an
entity's change is counted from where it stood before: a market that falls on and on has fallen by all of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from core.detection.report import Report, amount_text, percent_text
from core.detection.testimony import Testimony
from core.severity import EXACT, worse
from rtp_client.event import Reason, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from core.settings.market import MarketWide

MOST_MEMBERS = 1000
"""So many entities are remembered of a watch, those that fired last; where so many fire at once, it is the market."""
_MOST_NAMED = 10
_FIRING = frozenset({Reason.DEVIATION, Reason.MOVED, Reason.TO_ZERO})
_BEFORE = Decimal(100)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Entity = tuple[str, str]


class Firing(NamedTuple):
    """An entity's event that may be part of a market-wide move, and the moment that its rules reckon with."""

    entity: Entity
    at: datetime
    previous: Decimal
    current: Decimal
    severity: Severity


class Member(NamedTuple):
    """An entity that has fired: when last, from where to where, and how bad that was."""

    at: datetime
    begun_at: Decimal
    value: Decimal
    severity: Severity

    @property
    def percent(self) -> Decimal:
        """How far it has moved."""
        return Decimal(percent_text(self.begun_at, self.value))


@dataclass(frozen=True, slots=True)
class MarketMemory:
    """What is remembered of a watch: who fired of late; in a market-wide move, since when, its event and how bad."""

    members: Mapping[Entity, Member] = field(default_factory=dict)
    since: datetime | None = None
    event_id: str | None = None
    told: Severity | None = None

    def begun(self, event_id: str) -> MarketMemory:
        """The same, once the event has its id."""
        return replace(self, event_id=event_id)


CALM = MarketMemory()


class MarketJudgement(NamedTuple):
    """What is remembered next, the event if there is one, and the places of the firings that are part of the move."""

    memory: MarketMemory
    report: Report | None = None
    marked: Sequence[int] = ()


def firing_of(entity: Entity, report: Report, at: datetime) -> Firing | None:
    """The firing that a report is, if it is one."""
    previous, current = report.previous, report.current
    if report.reason not in _FIRING or report.change_pct is None or previous is None or current is None:
        return None
    return Firing(entity, at, previous, current, report.severity)


def judge_market(
    memory: MarketMemory, firings: Sequence[Firing], market: MarketWide, watched: Callable[[], int]
) -> MarketJudgement:
    """Judge firings that are told together. `watched` counts the watch's entities, and is asked only where it matters.

    Judged a second time, as after a crash, they are remembered as before.
    """
    members = _with(memory, firings)
    if not members:
        return MarketJudgement(memory)
    newest_at = max(member.at for member in members.values())
    recent = {entity: member for entity, member in members.items() if newest_at - member.at <= market.within}
    if memory.event_id is None and len(recent) < market.min_entities:
        return MarketJudgement(MarketMemory(recent))
    of_them = max(watched(), len(recent))
    if memory.event_id is not None:
        enough = max(Decimal(market.min_entities), market.share * of_them)
        is_calm = 2 * len(recent) < min(enough, Decimal(MOST_MEMBERS))
        return MarketJudgement(MarketMemory(recent)) if is_calm else _go_on(memory, members, firings, market, of_them)
    if len(recent) <= market.share * of_them and len(recent) < MOST_MEMBERS:
        return MarketJudgement(MarketMemory(recent))
    since = min(member.at for member in recent.values())
    return _go_on(replace(memory, since=since), recent, firings, market, of_them)


def _go_on(
    memory: MarketMemory, members: Mapping[Entity, Member], firings: Sequence[Firing], market: MarketWide, of_them: int
) -> MarketJudgement:
    """Judge firings of which the market-wide move is known to go on, or to have begun."""
    percents = {entity: member.percent for entity, member in members.items()}
    median = sorted(percents.values())[(len(percents) - 1) // 2]
    marked = [
        place
        for place, firing in enumerate(firings)
        if (memory.since is None or firing.at >= memory.since)
        and _distance(_percent_of(firing, percents), median) <= market.beyond
    ]
    how_bad = memory.told or Severity.INFO
    for entity, member in members.items():
        if _distance(percents[entity], median) <= market.beyond:
            how_bad = worse(how_bad, member.severity)
    memory = replace(memory, members=members)
    if how_bad == memory.told:
        return MarketJudgement(memory, marked=marked)
    report = _report(percents, median, how_bad, of_them, max(member.at for member in members.values()))
    return MarketJudgement(replace(memory, told=how_bad), report, marked)


def _report(
    percents: Mapping[Entity, Decimal], median: Decimal, how_bad: Severity, of_them: int, at: datetime
) -> Report:
    largest = sorted(percents, key=lambda entity: (-percents[entity].copy_abs(), entity))[:_MOST_NAMED]
    details = {
        "direction": "down" if median < 0 else "up",
        "moved_entities": len(percents),
        "watched_entities": of_them,
        "largest": [
            {"chain": chain, "entity": name, "change_pct": amount_text(percents[chain, name])}
            for chain, name in largest
        ],
    }
    index = EXACT.add(_BEFORE, median)
    return Report(_BEFORE, index, Reason.MARKET_MOVED, how_bad, testimony=Testimony(at), details=details)


def _with(memory: MarketMemory, firings: Iterable[Firing]) -> Mapping[Entity, Member]:
    """The members with those that fire now; of too many, those that fired last."""
    known = dict(memory.members)
    for firing in firings:
        before = known.get(firing.entity)
        is_old = memory.since is not None and firing.at < memory.since
        if not is_old and (before is None or before.at <= firing.at):
            has_begun = before is not None and memory.since is not None
            begun_at = before.begun_at if before is not None and has_begun else firing.previous
            known[firing.entity] = Member(firing.at, begun_at, firing.current, firing.severity)
    return dict(sorted(known.items(), key=lambda one: one[1].at)[-MOST_MEMBERS:])


def _percent_of(firing: Firing, percents: Mapping[Entity, Decimal]) -> Decimal:
    """How far the entity has moved; of one that is not remembered, as there are too many, by this firing alone."""
    if firing.entity in percents:
        return percents[firing.entity]
    return Decimal(percent_text(firing.previous, firing.current))


def _distance(percent: Decimal, median: Decimal) -> Decimal:
    return EXACT.subtract(percent, median).copy_abs()


def market_text(memory: MarketMemory) -> str:
    """As JSON, which both sources keep."""
    members = [
        (
            *entity,
            _microseconds(member.at),
            amount_text(member.begun_at),
            amount_text(member.value),
            member.severity,
        )
        for entity, member in memory.members.items()
    ]
    since = None if memory.since is None else _microseconds(memory.since)
    document = {"since": since, "event_id": memory.event_id, "told": memory.told, "members": members}
    return json.dumps(document, separators=(",", ":"))


def market_of(text: str | None) -> MarketMemory:
    """What `market_text` wrote."""
    if not text:
        return CALM
    document = json.loads(text)
    members = {
        (chain, entity): Member(_moment(at), Decimal(begun_at), Decimal(value), Severity(how_bad))
        for chain, entity, at, begun_at, value, how_bad in document["members"]
    }
    since, told = document["since"], document["told"]
    return MarketMemory(
        members,
        None if since is None else _moment(since),
        document["event_id"],
        None if told is None else Severity(told),
    )


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(number: int) -> datetime:
    return _EPOCH + number * _MICROSECOND
