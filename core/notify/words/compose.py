"""Alerts become a message: one in its own words, several as their count, the worst severity and the largest moves."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.notify.words.headline import shortened
from core.notify.words.message import Message
from core.notify.words.view import moment, view_of
from core.problem import counted
from core.severity import worse
from rtp_client.event import Reason, Severity
from rtp_client.event_filter import SEVERITY_RANK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from core.notify.words.manner import Manner
    from core.notify.words.templates import Template
    from core.notify.words.view import AlertView, Background
    from rtp_client.event import Event

# So many of the largest moves are told, or fewer where the service has no room.
_SHOWN = (10, 5, 3, 2, 1)
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True)
class Appeal:
    """What is asked of whoever reads it: to acknowledge, by a link or a command.

    `tells` are told if nobody does `within` so long. Where that has happened, `unanswered_by` had `waited` so long.
    """

    id: str
    link: str = ""
    tells: str = ""
    within: str = ""
    unanswered_by: str = ""
    waited: str = ""


def compose(
    events: Sequence[Event],
    template: Template,
    manner: Manner,
    background: Background,
    appeal: Appeal | None = None,
    *,
    opening: str = "",
) -> Message:
    """The message that tells of these events, in order of arrival; `opening` begins its first line.

    Raises TemplateFailed.
    """
    views = [view_of(event, background, times) for event, times in _largest_first(events)]
    severity = worst(events)
    values = {
        "count": len(events),
        "severity": severity,
        "since": moment(min(event.data.detected_at for event in events)),
        "until": moment(max(event.data.detected_at for event in events)),
        "page": background.page,
        "appeal": appeal,
    }
    first_line = views[0].headline if len(events) == 1 else _title(views, events)
    for title_set, body in _shorter_and_shorter(views, template, manner, values):
        title = f"{opening}{title_set or first_line}"
        text = _whole(title, body, manner)
        if len(text) <= manner.body_length:
            break
    return Message(
        title=shortened(title, manner.title_length) if manner.title_length else "",
        body=_cut(text, manner.body_length),
        format=manner.format,
        severity=severity,
        is_final=manner.is_final,
    )


def worst(events: Iterable[Event]) -> Severity:
    """The worst severity."""
    found = Severity.INFO
    for event in events:
        found = worse(found, Severity(event.data.severity))
    return found


def _largest_first(events: Sequence[Event]) -> list[tuple[Event, int]]:
    """The newest event of each entity, and how many it has."""
    newest = {_entity(event): event for event in events}
    times = Counter(map(_entity, events))
    return [(event, times[_entity(event)]) for event in sorted(newest.values(), key=_size, reverse=True)]


def _entity(event: Event) -> tuple[str, str, str]:
    return event.data.kind, event.data.chain, event.data.entity


def _size(event: Event) -> tuple[bool, int, Decimal]:
    data = event.data
    moved = Decimal(data.change_pct or 0).copy_abs()
    is_market_wide = data.reason is Reason.MARKET_MOVED
    return is_market_wide, SEVERITY_RANK[Severity(data.severity)], moved if moved.is_finite() else Decimal(0)


def _title(views: Sequence[AlertView], events: Sequence[Event]) -> str:
    counts = Counter(event.data.severity for event in events)
    several = f"{len(events):,} alerts"
    serious = [f"{counts[one]:,} {one}" for one in (Severity.CRITICAL, Severity.WARNING) if counts[one]]
    told = f"{several} ({', '.join(serious)})" if serious else several
    first = views[0]
    if first.event.data.reason is Reason.MARKET_MOVED:
        return f"{first.headline}; {told}"
    severity = worst(events)
    entities = counted(len(views), "entity", "entities")
    return f"{told if severity is Severity.INFO else f'{severity.upper()}: {told}'}, of {entities}"


def _shorter_and_shorter(
    views: Sequence[AlertView], template: Template, manner: Manner, values: Mapping[str, Any]
) -> Iterator[tuple[str | None, str]]:
    total = sum(view.times for view in views)
    for shown in dict.fromkeys(min(most, len(views)) for most in _SHOWN):
        alerts = views[:shown]
        more = total - sum(view.times for view in alerts)
        yield template.render(manner.dialect, manner.format, {**values, "alerts": alerts, "more": more})


def _whole(title: str, body: str, manner: Manner) -> str:
    """The body, with the first line in it where the service shows no title."""
    text = _BLANK_LINES.sub("\n\n", body).strip("\n")
    if manner.title_length:
        return text or title
    parted = "<br>\n" if manner.format == "html" else "\n"
    return f"{manner.dialect.bold(title)}{parted}{text}"


def _cut(text: str, length: int) -> str:
    """Whole lines, as far as there is room: half a line might open what nothing closes."""
    if len(text) <= length:
        return text
    kept = text[: length - 1].rpartition("\n")[0] or text[: length - 1]
    return f"{kept}\n…"[:length]
