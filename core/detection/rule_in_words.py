"""The rules of an entity in sentences."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from core.detection.report import amount_text
from core.problem import counted
from rtp_client.event import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from decimal import Decimal

    from core.detection.state import CompareWith
    from core.settings.agree import Agree
    from core.settings.market import MarketWide
    from core.settings.moves import MoveRule
    from core.settings.peg import Peg
    from core.settings.rules import Rule
    from rtp_client.event import EventData

_COMPARED: Mapping[CompareWith, str] = {"last_event": "since the last event", "previous_row": "since the row before"}
_UNITS = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))


def rule_in_words(
    rule: Rule, compare_with: CompareWith = "last_event", market: MarketWide | None = None
) -> Sequence[str]:
    """What makes a change of the entity an event, a sentence for each thing that is not off."""
    return [*_sentences(rule, compare_with), *(() if market is None else (_of_the_market(market),))]


def rule_behind(event: EventData, rule: Rule, compare_with: CompareWith, market: MarketWide | None) -> str | None:
    """What made this event one, in a sentence; None where no rule but the data itself did."""
    return next(_behind(event, rule, compare_with, market), None)


def _behind(event: EventData, rule: Rule, compare_with: CompareWith, market: MarketWide | None) -> Iterator[str]:
    match event.reason:
        case Reason.DEVIATION:
            yield f"{_a_change(rule)} {_COMPARED[compare_with]} is an event."
        case Reason.DEPEG | Reason.REPEG if rule.peg is not None:
            yield _of_the_peg(rule.peg)
        case Reason.ESCALATED if rule.peg is not None:
            yield _of_its_tiers(rule.peg)
        case Reason.MOVED:
            fitting = (move for move in rule.moves or () if move.over.total_seconds() == event.over_seconds)
            yield from (f"{_a_move(move)} is an event." for move in fitting)
        case Reason.MARKET_MOVED if market is not None:
            yield _of_the_market(market)
        case Reason.HEARTBEAT if rule.heartbeat:
            yield f"{_span(rule.heartbeat)} after the last event comes another one, even without a change."
        case Reason.DISAGREED | Reason.AGREED if rule.agree is not None and rule.agree.disagree_for is not None:
            yield _of_disagreement(rule.agree.disagree_for)


def _of_the_market(market: MarketWide) -> str:
    many = f"{_percent(market.share * 100)} of the watch's entities, and at least {market.min_entities}"
    return (
        f"When more than {many}, move within {_span(market.within)}, their events are part of one market-wide move,"
        f" but for those more than {_number(market.beyond)} percentage points from the median."
    )


def _sentences(rule: Rule, compare_with: CompareWith) -> Iterator[str]:
    yield f"{_a_change(rule)} {_COMPARED[compare_with]} is an event."
    if rule.agree is not None:
        yield from _of_sources(rule.agree)
    for move in rule.moves or ():
        yield f"{_a_move(move)} is an event, once until less than {_percent(move.recovery)} of it is left."
    if rule.peg is not None:
        yield _of_the_peg(rule.peg)
        yield _of_its_tiers(rule.peg)
    if rule.heartbeat:
        yield f"{_span(rule.heartbeat)} after the last event comes another one, even without a change."
    if rule.cooldown:
        yield f"Within {_span(rule.cooldown)} of an event a change is held back, and judged when that time is over."
    if rule.glitch_guard is not None:
        guard = rule.glitch_guard
        further = counted(guard.confirmations, "further sample confirms", "further samples confirm")
        until = f"until {further} it, or for {_span(guard.release_after)}"
        times = f"{_number(guard.factor)} times"
        yield f"A value above {times} that of the last event, or {times} below it, is held back {until}."
        if guard.min_value:
            yield f"Between values below {_number(guard.min_value)} none is held back."
    if rule.reject:
        yield f"A value that is {' or '.join(rule.reject)} is refused: counted, and no event."
    if rule.emit_first:
        yield "The first sighting is an event."
    if rule.delete_grace:
        yield f"A row that is gone is reported as deleted after {_span(rule.delete_grace)}, unless it comes back."
    tiers = rule.severity
    warning, critical = _percent(tiers.warning), _percent(tiers.critical)
    yield f"A change of {warning} or more is a warning, one of {critical} or more is critical."


def _of_sources(agree: Agree) -> Iterator[str]:
    yield (
        f"Nothing is an event until {agree.sources} sources, and more than half of those heard within"
        f" {_span(agree.within)}, say so."
    )
    if agree.disagree_for is not None:
        yield _of_disagreement(agree.disagree_for)


def _of_disagreement(disagree_for: timedelta) -> str:
    return f"Sources that disagree for {_span(disagree_for)} are an event, and so is the end of that."


def _of_the_peg(peg: Peg) -> str:
    off = f"{_number(peg.deviation_bps)} basis points or more off its peg of {_number(peg.value)}"
    pause = f" for {_span(peg.off_for)}" if peg.off_for else ""
    calm = f" once it has not been off again for {_span(peg.recover_for)}" if peg.recover_for else ", whatever the size"
    return f"A value {off}{pause} is an event, and so is its way back within {_number(peg.recovery)}{calm}."


def _of_its_tiers(peg: Peg) -> str:
    tiers = f"a warning from {_number(peg.warning)} basis points on, critical from {_number(peg.critical)} on"
    left = f"less than {_percent(round(peg.recovery / peg.deviation_bps * 100, 2))} of its distance is left"
    pause = f" for {_span(peg.recover_for)}" if peg.recover_for else ""
    return f"What happens off the peg is {tiers}; reaching a worse tier is an event, once until {left}{pause}."


def _a_move(move: MoveRule) -> str:
    way = "" if move.direction == "both" else f" {move.direction}"
    return f"A move{way} of {_percent(move.percent)} or more within {_span(move.over)}"


def _a_change(rule: Rule) -> str:
    if not rule.percent and not rule.min_change:
        return "Any change"
    if not rule.min_change:
        return f"A change of {_percent(rule.percent)} or more"
    if not rule.percent:
        return f"A change of {_number(rule.min_change)} or more"
    return f"A change of {_percent(rule.percent)} or more, if it is {_number(rule.min_change)} or more,"


def _percent(value: Decimal) -> str:
    return f"{_number(value)} %"


def _number(value: Decimal) -> str:
    """Digit for digit, thousands apart, without zeros at the end of a fraction."""
    whole, _, fraction = (amount_text(value) or "").partition(".")
    digits = f"{int(whole):,}"
    return f"{digits}.{fraction.rstrip('0')}" if fraction.rstrip("0") else digits


def _span(duration: timedelta) -> str:
    """`90 s`, `5 min`, `1 h`, `30 d`: in the largest unit that says it exactly."""
    for size, unit in _UNITS:
        if not duration % size:
            return f"{duration // size} {unit}"
    return f"{duration.total_seconds():g} s"
