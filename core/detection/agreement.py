"""Agreement: what an entity's sources say together, in bounded memory. Pure, in exact arithmetic.

The value that several sources agree on is as far from the baseline as enough of them have gone: as many as `agree` asks
for, and more than half of those that are fresh. So a single source never moves it, and of an odd number
it is the median. More than half, as otherwise two of four could call a price off its peg and the other two call it
back, in turn.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from core.detection.memory import Agreement, Apart, LastWord
from core.detection.report import amount_text
from core.settings.agree import MOST_SOURCES
from core.severity import EXACT, reaches
from rtp_client.event import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from core.settings.agree import Agree
    from core.settings.rules import Rule

_HALF, _PERCENT_OF_BPS = Decimal("0.5"), Decimal("0.01")


def hear(known: Agreement, source: str, value: Decimal | None, at: datetime) -> Agreement:
    """The same with a source's newest word; the source that was silent for longest makes room where there are many."""
    word = LastWord(value if value is not None and value.is_finite() else None, at)
    said = {**known.said, source: word}
    if len(said) > MOST_SOURCES:
        del said[min(said, key=lambda name: (said[name].at, name))]
    return known._replace(said=said)


def fresh(known: Agreement, at: datetime, agree: Agree) -> Mapping[str, Decimal]:
    """What each source says whose newest value is not older than `within`."""
    return {
        name: value
        for name, (value, said_at) in known.said.items()
        if value is not None and at - said_at <= agree.within
    }


def is_enough(known: Agreement, at: datetime, agree: Agree) -> bool:
    """Whether so many sources are fresh that they can agree at all."""
    return len(fresh(known, at, agree)) >= agree.sources


def agreed_value(known: Agreement, at: datetime, baseline: Decimal | None, agree: Agree) -> Decimal | None:
    """What they agree on; None where too few are fresh. Without a baseline, the most that enough are at or above."""
    # Of equal values the source's name decides which spelling is told, in whatever order they were read.
    by_name = fresh(known, at, agree)
    values = [by_name[name] for name in sorted(by_name, key=lambda name: (by_name[name], name))]
    if len(values) < agree.sources:
        return None
    needed = max(agree.sources, len(values) // 2 + 1)
    least, most = values[-needed], values[needed - 1]
    if baseline is None or not baseline.is_finite():
        return least
    return max(least, min(baseline, most))


def judge_apart(known: Agreement, at: datetime, rule: Rule) -> tuple[Agreement, Reason | None]:
    """What is remembered of a disagreement, and whether one is to be told of, or its end.

    What is to be told is remembered as untold: `tell_apart` makes it told. Where too few are fresh, all stays as it is.
    """
    agree, apart = rule.agree, known.apart
    if agree is None or agree.disagree_for is None or not is_enough(known, at, agree):
        return known, None
    if apart is not None and apart.is_told:
        is_over = not _are_apart(known, at, rule, EXACT.multiply(_limit(rule), _HALF))
        return known, Reason.AGREED if is_over else None
    if not _are_apart(known, at, rule, _limit(rule)):
        return known._replace(apart=None), None
    apart = apart or Apart(at, is_told=False)
    is_long = at - apart.since >= agree.disagree_for
    return known._replace(apart=apart), Reason.DISAGREED if is_long else None


def apart_due(known: Agreement, last_at: datetime, rule: Rule) -> tuple[datetime, Reason] | None:
    """When time alone makes a disagreement, or its end, one to be told of; both end with the next word of a source."""
    agree, apart = rule.agree, known.apart
    if agree is None or agree.disagree_for is None or apart is None:
        return None
    # The end of one that was told is due at once, where the last sample was another event.
    moment = last_at if apart.is_told else max(apart.since + agree.disagree_for, last_at)
    _, reason = judge_apart(known, moment, rule)
    return None if reason is None else (moment, reason)


def tell_apart(known: Agreement, reason: Reason) -> Agreement:
    """The same once that event is told."""
    is_over = reason is Reason.AGREED or known.apart is None
    return known._replace(apart=None if is_over or known.apart is None else known.apart._replace(is_told=True))


def in_details(known: Agreement, at: datetime, agree: Agree) -> Mapping[str, Mapping[str, str]]:
    """Who said what, as an event tells it."""
    said = {name: amount_text(value) or "" for name, value in sorted(fresh(known, at, agree).items())}
    return {"sources": said} if said else {}


def _limit(rule: Rule) -> Decimal:
    """How many percent apart sources disagree: by default, where one of them alone would be reported."""
    if rule.agree is not None and rule.agree.disagree_percent is not None:
        return rule.agree.disagree_percent
    return rule.percent if rule.peg is None else EXACT.multiply(rule.peg.deviation_bps, _PERCENT_OF_BPS)


def _are_apart(known: Agreement, at: datetime, rule: Rule, percent: Decimal) -> bool:
    assert rule.agree is not None
    values = fresh(known, at, rule.agree).values()
    least, most = min(values), max(values)
    return most > least and reaches(EXACT.subtract(most, least), least if rule.peg is None else rule.peg.value, percent)
