"""An alert as templates see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from core.amounts import percent
from core.detection.rule_in_words import rule_behind
from core.kinds import Kinds, kind_of_event
from core.notify.words.headline import field_move, field_value, headline, shortened, span, sureness
from core.settings.rules import rule_for
from core.settings.watches import ValueWatch
from rtp_client.event import METADATA_REASONS, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from core.settings.models import Settings
    from core.settings.watches import Watch
    from rtp_client.event import Event, EventData, MovedEntity

_MOST_LINES = 8


@dataclass(frozen=True)
class Background:
    """What is known beyond the events: the kinds, the rules, and where `rtp serve` shows more."""

    kinds: Kinds
    watches: Mapping[str, Watch]
    page: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Background:
        """What the settings say."""
        return cls(settings.all_kinds, settings.watches, settings.serve.public_url)


@dataclass(frozen=True)
class AlertView:
    """`times` is how many alerts of its entity there are in the message, of which this is the newest."""

    headline: str
    severity: str
    kind: str
    chain: str
    entity: str
    reason: str
    sure: str
    since: str
    details: Sequence[str]
    rule: str | None
    link: str
    times: int
    event: Event


def view_of(event: Event, background: Background, times: int = 1) -> AlertView:
    """The alert of an event."""
    data = event.data
    kind = kind_of_event(data.kind, background.kinds)
    return AlertView(
        headline=headline(data, kind),
        severity=data.severity,
        kind=data.kind,
        chain=shortened(data.chain),
        entity=shortened(data.entity),
        reason=data.reason.replace("_", " "),
        sure=sureness(data),
        since=moment(data.changed_at),
        details=tuple(_details(event)),
        rule=_rule(event, background),
        link=_link(data, background.page),
        times=times,
        event=event,
    )


def moment(time: str) -> str:
    """A time of an event's, to the second."""
    return f"{time[:19].replace('T', ' ')}Z"


def _details(event: Event) -> Iterator[str]:
    data = event.data
    if data.off_since is not None:
        yield f"Off its peg since {moment(data.off_since)}, lowest {data.lowest}"
    if data.reason is Reason.REPEG and data.duration_seconds is not None:
        yield f"It was off its peg for {span(data.duration_seconds)}"
    if event.deletedby == "ttl":
        yield "DynamoDB deleted it, at the end of its time to live"
    if data.market is not None:
        yield "Part of a market-wide move"
    if data.reason in METADATA_REASONS:
        yield from _cut([f"{shortened(name)}: {text}" for name, text in _fields(data)])
    if data.sources:
        yield from _cut([f"{shortened(name)} says {value}" for name, value in data.sources.items()])
    if data.largest:
        yield from _cut([_member(one) for one in data.largest])
    if data.provenance:
        yield f"Source: {shortened(data.provenance)}"


def _member(moved: MovedEntity) -> str:
    return f"{shortened(moved.entity)} on {shortened(moved.chain)}: {percent(moved.change_pct)}"


def _fields(data: EventData) -> Iterator[tuple[str, str]]:
    for name, change in (data.fields or {}).items():
        if data.reason is Reason.CHANGED:
            yield name, field_move(change)
        else:
            yield name, field_value(change.previous if data.reason is Reason.REMOVED else change.current)


def _cut(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    return lines if more <= 0 else [*lines[:_MOST_LINES], f"and {more} more"]


def _rule(event: Event, background: Background) -> str | None:
    watch = background.watches.get(event.source.rpartition("/")[2])
    if not isinstance(watch, ValueWatch):
        return None
    rule = rule_for(watch, event.data.chain, event.data.entity)
    return rule_behind(event.data, rule, watch.compare_with, watch.market)


def _link(data: EventData, page: str | None) -> str:
    if page is None:
        return ""
    if data.reason is Reason.MARKET_MOVED:
        return f"{page}/#/movers"
    return f"{page}/#/entity/{'/'.join(quote(part, safe='') for part in (data.kind, data.chain, data.entity))}"
