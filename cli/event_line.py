"""One event as one line for people; `rtp tail`, `rtp top` and the demo share it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.text import Text

from core.amounts import move, percent
from core.kinds import SHIPPED, Kind, Kinds, kind_of_event
from rtp_client.event import METADATA_REASONS, Reason, Severity

if TYPE_CHECKING:
    from rtp_client.event import Event, EventData, FieldChange

_SEVERITY_STYLE = {Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}
_AMOUNT_WIDTH, _PERCENT_WIDTH = 11, 9
_LONGEST_NAME, _LONGEST_VALUE = 40, 60
# By the width of the time: today's, and another day's.
_TIME_FORMATS = {12: ("%H:%M:%S.%f", "%b %d %H:%M"), 8: ("%H:%M:%S", "%b %d"), 5: ("%H:%M", "%m-%d")}


@dataclass(frozen=True)
class _Layout:
    """How wide the columns are, in cells; one of width 0 is left out."""

    least: int
    gap: int
    time: int
    kind: int
    chain: int
    entity: int
    reason: int
    has_previous: bool = True
    has_latency: bool = False


_FULL = _Layout(126, gap=2, time=12, kind=8, chain=10, entity=18, reason=12, has_latency=True)
_LAYOUTS = (
    _FULL,
    _Layout(103, gap=1, time=8, kind=8, chain=10, entity=16, reason=12),
    _Layout(79, gap=1, time=8, kind=5, chain=8, entity=13, reason=10, has_previous=False),
    _Layout(61, gap=1, time=8, kind=5, chain=0, entity=13, reason=10, has_previous=False),
    _Layout(0, gap=1, time=5, kind=0, chain=0, entity=11, reason=9, has_previous=False),
)


def event_line(
    event: Event,
    kinds: Kinds = SHIPPED,
    *,
    delivered_at_ms: int | None = None,
    now: datetime | None = None,
    width: int | None = None,
) -> Text:
    """When rtp found it (local time), what, where, from what to what, why; how long delivery took, where known.

    With a width the line is never wider: columns that say less are left out, and what still does not fit is cut.
    A kind that is not among `kinds` is shown plainly. Names and values come from data: control characters are shown as
    `�`, and nothing is read as markup.
    """
    data = event.data
    kind = kind_of_event(data.kind, kinds)
    layout = _FULL if width is None else _layout_for(width)
    cells = [
        Text(_local_time(data.detected_at, now, layout.time), "dim"),
        *_names(event, kind, layout, is_cut=width is not None),
        _metadata(data) if data.reason in METADATA_REASONS else _amounts(data, kind, layout),
    ]
    if event.deletedby == "ttl":
        cells.append(Text("expired", "dim"))
    if style := _SEVERITY_STYLE.get(data.severity):
        cells.append(Text(data.severity, style))
    if layout.has_latency and (latency := _latency_ms(data, delivered_at_ms)) is not None:
        cells.append(Text(f"{latency:,.0f} ms", "dim"))
    line = Text(" " * layout.gap).join(cells)
    line.rstrip()
    if width is not None:
        line.truncate(width, overflow="ellipsis")
    return line


def _layout_for(width: int) -> _Layout:
    """The widest that fits; what is left goes to the entity's name."""
    layout = next(one for one in _LAYOUTS if one.least <= width)
    spare = width - layout.least if layout.least else 0
    return replace(layout, entity=min(layout.entity + spare, _LONGEST_NAME))


def printable(text: str) -> str:
    """The text without anything that a terminal would act on, or that would hide or turn round its neighbours."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _names(event: Event, kind: Kind, layout: _Layout, *, is_cut: bool) -> list[Text]:
    columns = (
        (kind.name, layout.kind, kind.color),
        (event.data.chain, layout.chain, ""),
        (event.data.entity, layout.entity, "bold"),
    )
    return [_name(name, width, style, is_cut=is_cut) for name, width, style in columns if width]


def _amounts(data: EventData, kind: Kind, layout: _Layout) -> Text:
    previous, current = move(data.previous, data.current, kind)
    change, style = _change(data)
    before = ((f"{previous:>{_AMOUNT_WIDTH}}", "dim"), (" → ", "dim")) if layout.has_previous else ()
    gap = " " * layout.gap
    return Text.assemble(
        *before,
        f"{current:<{_AMOUNT_WIDTH}}" if layout.has_previous else f"{current:>{_AMOUNT_WIDTH}}",
        gap,
        (f"{change:>{_PERCENT_WIDTH}}", style),
        gap,
        (f"{_why(data):<{layout.reason}}", "dim"),
    )


def _change(data: EventData) -> tuple[str, str]:
    if data.change_pct is not None:
        is_down = data.change_pct.startswith("-")
        return percent(data.change_pct), "red" if is_down else "green"
    if data.reason is Reason.FROM_ZERO:
        return ("-∞%", "red") if (data.current or "").startswith("-") else ("+∞%", "green")
    return "", ""


def _metadata(data: EventData) -> Text:
    fields = data.fields or {}
    if data.reason is Reason.CHANGED:
        changes = [f"{_field(name)}: {_move(change)}" for name, change in fields.items()]
        return Text(", ".join(changes))
    # One side of an entity that came or went is empty.
    sides = {
        name: change.previous if data.reason is Reason.REMOVED else change.current for name, change in fields.items()
    }
    known = [f"{_field(name)}: {_value(value)}" for name, value in sides.items() if value is not None]
    style = "red" if data.reason is Reason.REMOVED else "green"
    return Text.assemble((_why(data), style), (f"  {', '.join(known)}", "dim"))


def _move(change: FieldChange) -> str:
    return f"{_value(change.previous)} → {_value(change.current)}"


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return _shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _LONGEST_VALUE)


def _field(name: str) -> str:
    return _shortened(name, _LONGEST_NAME)


def _name(name: str, width: int, style: str, *, is_cut: bool) -> Text:
    text = Text(_shortened(name, _LONGEST_NAME), style)
    # Widths are of terminal cells: a Chinese character takes two.
    if is_cut:
        text.truncate(width, overflow="ellipsis", pad=True)
    else:
        text.append(" " * (width - text.cell_len))
    return text


def _shortened(text: str, length: int) -> str:
    return printable(text if len(text) <= length else f"{text[: length - 1]}…")


def _why(data: EventData) -> str:
    words = data.reason.replace("_", " ")
    if data.moved_entities is not None:
        return f"{words}: {data.moved_entities} of {data.watched_entities}"
    if data.market is not None:
        return f"{words}, market-wide"
    if data.previous_entity is not None:
        is_other_chain = data.previous_chain not in (None, data.chain)
        former = f"{data.previous_chain}/{data.previous_entity}" if is_other_chain else data.previous_entity
        return f"{words} from {_shortened(former, _LONGEST_NAME)}"
    if data.over_seconds is not None:
        return f"{words} within {timedelta(seconds=round(data.over_seconds))}"
    if data.reason is Reason.DISAGREED and data.sources:
        said = ", ".join(f"{name} {value}" for name, value in data.sources.items())
        return f"{words}: {_shortened(said, _LONGEST_VALUE)}"
    return (
        words if data.duration_seconds is None else f"{words} after {timedelta(seconds=round(data.duration_seconds))}"
    )


def _local_time(time: str, now: datetime | None, width: int) -> str:
    """`14:03:22.123`, or as wide: `Oct 05 14:03` for another day."""
    local = datetime.fromisoformat(time).astimezone()
    today = (now or datetime.now(tz=local.tzinfo)).astimezone(local.tzinfo).date()
    clock, day = _TIME_FORMATS[width]
    return f"{local.strftime(clock if local.date() == today else day)[:width]:<{width}}"


def _latency_ms(data: EventData, delivered_at_ms: int | None) -> float | None:
    """Between two clocks, the database's and Redis's; a negative difference says only that they disagree."""
    if delivered_at_ms is None:
        return None
    latency = delivered_at_ms - datetime.fromisoformat(data.detected_at).timestamp() * 1000
    return max(latency, 0.0) if latency > -1 else None
