"""An alert in one line: what, by how much, from what to what, where, how sure."""

from __future__ import annotations

import json
from math import floor
from typing import TYPE_CHECKING, Any

from core.amounts import move, percent
from rtp_client.event import METADATA_REASONS, Reason, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.kinds import Kind
    from rtp_client.event import EventData, FieldChange

_LABELS = {"tvl": "TVL"}
_SEVERITIES = {Severity.CRITICAL: "CRITICAL: ", Severity.WARNING: "WARNING: "}
_LONGEST = 60
_MOST_FIELDS = 2
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

_PHRASES: Mapping[Reason, str] = {
    Reason.DEVIATION: "{name} {moved}",
    Reason.MOVED: "{name} {moved} within {span}",
    Reason.HEARTBEAT: "{name} {moved} since its last report",
    Reason.DEPEG: "{name} left its peg: it {moved}",
    Reason.ESCALATED: "{name} is further off its peg: it {moved}",
    Reason.REPEG: "{name} is back at its peg after {span}: it {moved}",
    Reason.FROM_ZERO: "{name} is no longer zero",
    Reason.TO_ZERO: "{name} fell to zero",
    Reason.FROM_NULL: "{name} has a value again",
    Reason.TO_NULL: "{name} has no value any more",
    Reason.NOT_FINITE: "{name} is no number any more",
    Reason.FINITE_AGAIN: "{name} is a number again",
    Reason.FIRST_SEEN: "{name} is seen for the first time",
    Reason.DELETED: "{name} is gone",
    Reason.RENAMED: "the {kind} of {former} is that of {entity} now",
    Reason.DISAGREED: "the sources of {name} disagree",
    Reason.AGREED: "the sources of {name} agree again after {span}",
}


def headline(data: EventData, kind: Kind) -> str:
    """The line, in plain text."""
    severity = _SEVERITIES.get(Severity(data.severity), "")
    if data.reason is Reason.MARKET_MOVED:
        return f"{severity}{_market_wide(data)}"
    where = "" if data.chain == "all" else f", on {shortened(data.chain)}"
    return f"{severity}{_what(data, kind)}{where}, {sureness(data)} sure"


def sureness(data: EventData) -> str:
    """The confidence, never more than it is."""
    return f"{floor(data.confidence * 100)}%"


def shortened(text: str, length: int = _LONGEST) -> str:
    """A name or a value from data, of which a line has room for so much."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def field_value(value: Any) -> str:
    """A field of metadata."""
    if value is None:
        return "–"
    return shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def span(seconds: float) -> str:
    """`2 h 5 min`: a length of time in its two largest units."""
    left, parts = round(seconds), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _what(data: EventData, kind: Kind) -> str:
    if data.reason in METADATA_REASONS:
        return _metadata(data)
    entity, label = shortened(data.entity), _LABELS.get(data.kind, data.kind)
    seconds = data.over_seconds if data.duration_seconds is None else data.duration_seconds
    phrase = _PHRASES[data.reason].format(
        name=f"{entity} {label}",
        entity=entity,
        kind=label,
        moved=_moved(data),
        span=span(seconds or 0),
        former=_former(data),
    )
    previous, current = move(data.previous, data.current, kind)
    is_one = data.reason is Reason.FIRST_SEEN or data.previous == data.current
    return f"{phrase}, {current if is_one else f'{previous} → {current}'}"


def _moved(data: EventData) -> str:
    if data.change_pct is None:
        return "changed"
    size = percent(data.change_pct).lstrip("+-")
    if size == "0%":
        return "did not move"
    return f"{'fell' if data.change_pct.startswith('-') else 'rose'} {size}"


def _former(data: EventData) -> str:
    former = shortened(data.previous_entity or data.entity)
    is_other_chain = data.previous_chain not in (None, data.chain)
    return f"{former} on {shortened(data.previous_chain or '')}" if is_other_chain else former


def _market_wide(data: EventData) -> str:
    size = percent(data.change_pct or "0").lstrip("+-")
    return (
        f"market-wide move {data.direction}: {data.moved_entities} of {data.watched_entities} entities of"
        f" the watch {shortened(data.entity)}, {size} by the median, {sureness(data)} sure"
    )


def _metadata(data: EventData) -> str:
    entity, fields = shortened(data.entity), data.fields or {}
    if data.reason is Reason.ADDED:
        return f"{entity} was added"
    if data.reason is Reason.REMOVED:
        return f"{entity} was removed"
    if len(fields) == 1:
        ((name, change),) = fields.items()
        return f"{entity} has another {shortened(name)}, {field_move(change)}"
    return f"{entity} has another {_listed(list(fields))}"


def field_move(change: FieldChange) -> str:
    """A field's change."""
    return f"{field_value(change.previous)} → {field_value(change.current)}"


def _listed(names: list[str]) -> str:
    shown = [shortened(name) for name in names[:_MOST_FIELDS]]
    if more := len(names) - len(shown):
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(shown)
