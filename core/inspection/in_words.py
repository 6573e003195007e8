"""What was found out about an entity, in sentences: its rule, and what became of its newest value."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from core.detection.report import amount_text
from core.problem import counted
from rtp_client.event import Reason, format_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from core.detection.state import CompareWith
    from core.inspection.conclusion import Conclusion, Outcome
    from core.settings.agree import Agree
    from core.settings.market import MarketWide
    from core.settings.moves import MoveRule
    from core.settings.peg import Peg
    from core.settings.rules import Rule

_WORDS: Mapping[Outcome, str] = {
    "waiting": "what was written last waits to be judged by rtp run",
    "unknown": "none of its rows has been judged so far",
    "unagreed": "its sources have not agreed so far: too few have said something at once",
    "going": "its row is gone: reported as deleted at {at}, unless it comes back",
    "gone": "gone: reported as deleted {at}",
    "unjudged": "rtp has not judged this so far: {next}",
    "set_aside": "set aside {at}, as its own time is further ahead than max_future",
    "refused": "set aside {at}, as `reject` refuses such a value",
    "due": "time has brought about what rtp run has yet to judge, since {at}",
    "quarantined": "held back by the glitch guard until {at}, unless another sample decides before",
    "held": "held back by the cooldown until {at}: {reason}",
    "reported": "reported {at}: {reason}",
    "unchanged": "the same since {at}; the log holds no event of it",
    "not_reported": "no event: the change is too small",
}
_STREAM_WORDS: Mapping[Outcome, str] = {
    "waiting": "its newest samples wait for earlier ones, as `reorder` says",
    "unknown": "none of its records has been judged so far",
    "going": "its item is gone: reported as deleted at {at}, unless it comes back",
    "unjudged": "no record of this was judged so far: {next}",
    "due": "time has brought about what a tick has yet to judge, since {at}",
    "unchanged": "the same since {at}; of the newest events, none is of it",
}
"""Of a stream source, where the words differ."""
_HOLDERS = {"quarantined": "glitch guard", "held": "cooldown"}
_COMPARED: Mapping[CompareWith, str] = {"last_event": "since the last event", "previous_row": "since the row before"}
_UNITS = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))


def moment(value: datetime) -> str:
    """A time to the second, in UTC."""
    return f"{format_time(value)[:19].replace('T', ' ')}Z"


def conclusion_in_words(found: Conclusion, source: str = "postgres") -> str:
    """What became of the newest value."""
    words = dict(_WORDS) | (dict(_STREAM_WORDS) if source == "dynamodb" else {})
    at = moment(found.at) if found.at is not None else "its rule says otherwise"
    following = _at_the_next_write(found) if source == "postgres" else _with_its_record(found)
    return words[found.outcome].format(at=at, reason=found.reason, next=following)


def _at_the_next_write(found: Conclusion) -> str:
    if found.reason == Reason.DELETED:
        return "the row went past the triggers"
    if found.note in _HOLDERS:
        return f"held back by the {_HOLDERS[found.note]} at its next write"
    return f"reported at its next write: {found.reason}" if found.reason else "no event at its next write"


def _with_its_record(found: Conclusion) -> str:
    if found.note in _HOLDERS:
        return f"held back by the {_HOLDERS[found.note]} with its record"
    return f"reported with its record: {found.reason}" if found.reason else "no event with its record"


def rule_in_words(
    rule: Rule, compare_with: CompareWith = "last_event", market: MarketWide | None = None
) -> Sequence[str]:
    """What makes a change of the entity an event, a sentence for each thing that is not off."""
    return [*_sentences(rule, compare_with), *(() if market is None else (_of_the_market(market),))]


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
        yield from _of_the_peg(rule.peg)
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
        yield f"Sources that disagree for {_span(agree.disagree_for)} are an event, and so is the end of that."


def _of_the_peg(peg: Peg) -> Iterator[str]:
    off = f"{_number(peg.deviation_bps)} basis points or more off its peg of {_number(peg.value)}"
    pause = f" for {_span(peg.off_for)}" if peg.off_for else ""
    yield f"A value {off}{pause} is an event, and so is its way back within {_number(peg.recovery)}, whatever the size."
    tiers = f"a warning from {_number(peg.warning)} basis points on, critical from {_number(peg.critical)} on"
    yield f"What happens off the peg is {tiers}; reaching a worse tier is an event."


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
