"""The columns of a board's grids: what each shows of an entity, a peg, an event, a sink."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.text import Text

from cli.chart import sparkline
from cli.event_line import printable
from cli.top.grid import Column
from cli.top.market import moment_of
from core.amounts import move, percent, spelled
from core.kinds import Kind, Kinds
from rtp_client import Reason, Severity
from rtp_client.event import METADATA_REASONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cli.top.market import Mover
    from cli.top.pegs import PegRow
    from cli.top.sinks import SinkRow
    from rtp_client import Event

_SEVERITY_STYLE = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}
_SHORT_SEVERITY = {Severity.INFO: "info", Severity.WARNING: "warn", Severity.CRITICAL: "CRIT"}
_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"))
_SPARK_WIDTH = 16


def mover_columns(kinds: Kinds, clock: Callable[[], float]) -> Sequence[Column[Mover]]:
    """Who has moved, by how much, how surely, how long ago."""

    def value(mover: Mover) -> Text:
        return _amount(mover.value, mover.key.kind, kinds)

    def last_move(mover: Mover) -> Text:
        return _change(mover.event) if mover.event else Text()

    def age(mover: Mover) -> Text:
        return Text(short_age(clock() - moment_of(mover.event).timestamp()), "dim") if mover.event else Text()

    return (
        Column("entity", 13, lambda mover: _name(mover.key.entity, "bold"), most=22, sorts=True),
        Column("kind", 5, lambda mover: _kind(mover.key.kind, kinds), most=8, sorts=True),
        Column("chain", 8, lambda mover: _name(mover.key.chain), most=12, sorts=True),
        Column("value", 11, value, most=13, is_right=True),
        Column("15 min", 7, lambda mover: _percent(mover.move_pct(clock())), most=9, is_right=True, sorts=True),
        Column("change", 7, last_move, most=9, is_right=True, sorts=True),
        Column("", 6, lambda mover: Text(_spark(mover), "cyan"), most=_SPARK_WIDTH, keeps_end=True),
        Column("sev", 4, lambda mover: _severity(mover.event), sorts=True),
        Column("conf", 4, lambda mover: Text(f"{mover.event.data.confidence:.2f}" if mover.event else "", "dim")),
        Column("age", 4, age, most=6, is_right=True, sorts=True),
    )


def peg_columns(kinds: Kinds, clock: Callable[[], float]) -> Sequence[Column[PegRow]]:
    """How far from its peg each price is, and since when it is off."""

    def distance(peg: PegRow) -> Text:
        style = "bold red" if peg.is_off else "yellow" if abs(peg.distance_bps) >= peg.peg.deviation_bps / 2 else ""
        return Text(f"{peg.distance_bps:+,.1f}", style)

    def off_since(peg: PegRow) -> Text:
        if not peg.is_off:
            return Text("on peg", "dim")
        since = (
            "off"
            if peg.since is None
            else f"{peg.since.astimezone():%H:%M} {short_age(clock() - peg.since.timestamp())}"
        )
        return Text(since, "red")

    return (
        Column("entity", 13, lambda peg: _name(peg.key.entity, "bold"), most=22, sorts=True),
        Column("chain", 8, lambda peg: _name(peg.key.chain), most=12, sorts=True),
        Column("value", 10, lambda peg: _amount(peg.value, peg.key.kind, kinds), is_right=True),
        Column("peg", 6, lambda peg: Text(f"{float(peg.peg.value):g}", "dim"), is_right=True, least_width=60),
        Column("bps", 7, distance, most=9, is_right=True, sorts=True),
        Column("off since", 10, off_since, most=12),
    )


def event_columns(kinds: Kinds) -> Sequence[Column[Event]]:
    """The events, one a line."""

    def entity(event: Event) -> Text:
        return _name(event.data.entity, "bold")

    return (
        Column("time", 8, lambda event: Text(f"{moment_of(event).astimezone():%H:%M:%S}", "dim")),
        Column("kind", 5, lambda event: _kind(event.data.kind, kinds), most=8),
        Column("chain", 8, lambda event: _name(event.data.chain), most=12),
        Column("entity", 13, entity, most=22),
        Column("change", 7, _change, most=9, is_right=True),
        Column("sev", 4, _severity),
        Column("reason", 10, lambda event: Text(event.data.reason.replace("_", " "), "dim"), least_width=90),
        Column("source", 12, lambda event: _name(event.data.provenance or "", "dim"), least_width=130),
        Column("from → to", 23, lambda event: _what(event, kinds), most=200),
    )


def sink_columns() -> Sequence[Column[SinkRow]]:
    """How each sink does, and how far it is behind."""

    def lag(sink: SinkRow) -> Text:
        style = "bold red" if sink.is_alarming else "yellow" if sink.lag_seconds >= 1 else "green"
        behind = [f"{sink.lag_events:,}"] if sink.lag_events or not sink.lag_seconds else []
        behind += [short_age(sink.lag_seconds)] if sink.lag_seconds >= 1 else []
        return Text(" · ".join(behind), style)

    def number(value: float | None, spelling: str = ",.0f") -> Text:
        return Text("–" if value is None else f"{value:{spelling}}", "" if value else "dim")

    def dead(sink: SinkRow) -> Text:
        return Text(f"{sink.dead_letters:,}", "bold red" if sink.dead_letters else "dim")

    return (
        Column("sink", 8, lambda sink: _name(sink.sink, "bold"), most=20),
        Column("state", 10, lambda sink: _name(sink.state)),
        Column("ev/s", 6, lambda sink: number(sink.events_per_second), is_right=True),
        Column("p50 ms", 7, lambda sink: number(sink.p50_ms, ",.1f"), is_right=True, least_width=62),
        Column("p99 ms", 7, lambda sink: number(sink.p99_ms, ",.1f"), is_right=True),
        Column("lag", 12, lag, is_right=True),
        Column("delivered", 10, lambda sink: number(sink.delivered), is_right=True, least_width=74),
        Column("dead", 4, dead, is_right=True),
    )


def short_age(seconds: float) -> str:
    """`4s`, `12m`, `3h`, `2d`."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size:.0f}{unit}"
    return f"{max(seconds, 0):.0f}s"


def _name(name: str, style: str = "") -> Text:
    return Text(printable(name), style)


def _kind(name: str, kinds: Kinds) -> Text:
    return Text(name, kinds.get(name, Kind(name, "")).color)


def _amount(value: str | None, kind: str, kinds: Kinds) -> Text:
    return Text(spelled(value, kinds.get(kind, Kind(kind, ""))))


def _change(event: Event) -> Text:
    change = event.data.change_pct
    if change is not None:
        return Text(percent(change), "red" if change.startswith("-") else "green")
    return Text("+∞%" if event.data.reason is Reason.FROM_ZERO else "", "green")


def _percent(value: float | None) -> Text:
    if value is None:
        return Text()
    return Text(f"{value:+,.2f}%", "red" if value < 0 else "green" if value > 0 else "dim")


def _severity(event: Event | None) -> Text:
    if event is None:
        return Text()
    return Text(_SHORT_SEVERITY[event.data.severity], _SEVERITY_STYLE[event.data.severity])


def _spark(mover: Mover) -> str:
    return sparkline([point.value for point in mover.points], _SPARK_WIDTH)


def _what(event: Event, kinds: Kinds) -> Text:
    data = event.data
    if data.reason not in METADATA_REASONS:
        previous, current = move(data.previous, data.current, kinds.get(data.kind, Kind(data.kind, "")))
        return Text.assemble((f"{previous:>10}", "dim"), (" → ", "dim"), current)
    sides = (data.fields or {}).items()
    if data.reason is Reason.CHANGED:
        return Text(
            printable(", ".join(f"{name}: {_json(one.previous)} → {_json(one.current)}" for name, one in sides))
        )
    return Text(data.reason, "red" if data.reason is Reason.REMOVED else "green")


def _json(value: Any) -> str:
    return "–" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
