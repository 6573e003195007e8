"""One event as one line for people; `rtp tail` and the demo's live view share it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.text import Text

from cli.amounts import move, percent
from core.kinds import SHIPPED, Kind, Kinds
from rtp_client.event import METADATA_REASONS, Reason, Severity

if TYPE_CHECKING:
    from rtp_client.event import Event, EventData, FieldChange

_SEVERITY_STYLE = {Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}
_CHAIN_WIDTH, _ENTITY_WIDTH, _AMOUNT_WIDTH, _PERCENT_WIDTH, _REASON_WIDTH = 10, 18, 11, 9, 12
_LONGEST_NAME, _LONGEST_VALUE = 40, 60


def event_line(
    event: Event, kinds: Kinds = SHIPPED, *, delivered_at_ms: int | None = None, now: datetime | None = None
) -> Text:
    """When rtp found it (local time), what, where, from what to what, why; how long delivery took, where known.

    A kind that is not among `kinds` is shown plainly. Names and values come from data: control characters are shown as
    `�`, and nothing is read as markup.
    """
    data = event.data
    kind = kinds.get(data.kind, Kind(data.kind, ""))
    line = Text.assemble(
        (_local_time(data.detected_at, now), "dim"),
        "  ",
        (f"{kind.name:<8}", kind.color),
        "  ",
        _name(data.chain, _CHAIN_WIDTH, ""),
        "  ",
        _name(data.entity, _ENTITY_WIDTH, "bold"),
        "  ",
        *(_metadata(data) if data.reason in METADATA_REASONS else _amounts(data, kind)),
    )
    if event.deletedby == "ttl":
        line.append("  expired", "dim")
    if style := _SEVERITY_STYLE.get(data.severity):
        line.append(f"  {data.severity}", style)
    if (latency := _latency_ms(data, delivered_at_ms)) is not None:
        line.append(f"  {latency:,.0f} ms", "dim")
    line.rstrip()
    return line


def printable(text: str) -> str:
    """The text without anything that a terminal would act on, or that would hide or turn round its neighbours."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _amounts(data: EventData, kind: Kind) -> list[Text | str | tuple[str, str]]:
    previous, current = move(data.previous, data.current, kind)
    change, style = _change(data)
    return [
        (f"{previous:>{_AMOUNT_WIDTH}}", "dim"),
        (" → ", "dim"),
        (f"{current:<{_AMOUNT_WIDTH}}", ""),
        "  ",
        (f"{change:>{_PERCENT_WIDTH}}", style),
        "  ",
        (f"{_why(data):<{_REASON_WIDTH}}", "dim"),
    ]


def _change(data: EventData) -> tuple[str, str]:
    if data.change_pct is not None:
        is_down = data.change_pct.startswith("-")
        return percent(data.change_pct), "red" if is_down else "green"
    if data.reason is Reason.FROM_ZERO:
        return ("-∞%", "red") if (data.current or "").startswith("-") else ("+∞%", "green")
    return "", ""


def _metadata(data: EventData) -> list[Text | str | tuple[str, str]]:
    fields = data.fields or {}
    if data.reason is Reason.CHANGED:
        changes = [f"{_field(name)}: {_move(change)}" for name, change in fields.items()]
        return [(", ".join(changes), "")]
    # One side of an entity that came or went is empty.
    sides = {
        name: change.previous if data.reason is Reason.REMOVED else change.current for name, change in fields.items()
    }
    known = [f"{_field(name)}: {_value(value)}" for name, value in sides.items() if value is not None]
    style = "red" if data.reason is Reason.REMOVED else "green"
    return [(_why(data), style), (f"  {', '.join(known)}", "dim")]


def _move(change: FieldChange) -> str:
    return f"{_value(change.previous)} → {_value(change.current)}"


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return _shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _LONGEST_VALUE)


def _field(name: str) -> str:
    return _shortened(name, _LONGEST_NAME)


def _name(name: str, width: int, style: str) -> Text:
    text = Text(_shortened(name, _LONGEST_NAME), style)
    # Widths are of terminal cells: a Chinese character takes two.
    text.append(" " * (width - text.cell_len))
    return text


def _shortened(text: str, length: int) -> str:
    return printable(text if len(text) <= length else f"{text[: length - 1]}…")


def _why(data: EventData) -> str:
    words = data.reason.replace("_", " ")
    return (
        words if data.duration_seconds is None else f"{words} after {timedelta(seconds=round(data.duration_seconds))}"
    )


def _local_time(time: str, now: datetime | None) -> str:
    """`14:03:22.123`, or as wide: `Oct 05 14:03` for another day."""
    local = datetime.fromisoformat(time).astimezone()
    today = (now or datetime.now(tz=local.tzinfo)).astimezone(local.tzinfo).date()
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03}" if local.date() == today else f"{local:%b %d %H:%M}"


def _latency_ms(data: EventData, delivered_at_ms: int | None) -> float | None:
    """Between two clocks, the database's and Redis's; a negative difference says only that they disagree."""
    if delivered_at_ms is None:
        return None
    latency = delivered_at_ms - datetime.fromisoformat(data.detected_at).timestamp() * 1000
    return max(latency, 0.0) if latency > -1 else None
