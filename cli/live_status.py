"""How a running pipeline's status looks: a live table on a terminal, elsewhere a line now and then."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.event_line import printable
from cli.output import out, print_json
from core.problem import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from rich.console import RenderableType

    from core.processor.status import SinkStatus, Status


_NAMES = ("Sink", "State")
_ROOMY = 100
_LEFT_OUT = ("max", "retries")
"""What a narrow terminal has no room for."""


class View(Protocol):
    """Where the status goes."""

    def open(self) -> AbstractContextManager[object]:
        """Take over the terminal, if the view does that."""

    def show(self, status: Status, *, is_interval_over: bool) -> None:
        """Show the newest status."""


class LineView:
    """A live table on a terminal, otherwise (or with `as_json`) one JSON line per interval."""

    def __init__(self, *, as_json: bool) -> None:
        self._live = Live(console=out, refresh_per_second=4, transient=True)
        self._is_live = out.is_terminal and not as_json

    def open(self) -> AbstractContextManager[object]:
        """Take over the terminal, if it is one."""
        return self._live if self._is_live else nullcontext()

    def show(self, status: Status, *, is_interval_over: bool) -> None:
        """Redraw, or print a line."""
        if self._is_live:
            self._live.update(status_table(status))
        elif is_interval_over:
            print_json(status.as_json())


def status_table(status: Status, remark: str = "") -> RenderableType:
    """The status for people: a line for each sink, whatever the width."""
    table = Table(box=None, pad_edge=False)
    shown = [(name, cell) for name, cell in _CELLS.items() if out.width >= _ROOMY or name not in _LEFT_OUT]
    for name, _ in shown:
        table.add_column(name, no_wrap=True, overflow="ellipsis", justify="left" if name in _NAMES else "right")
    for sink in status.sinks:
        table.add_row(*(cell(sink) for _, cell in shown))
    return Group(
        table,
        *([Text(remark, "dim")] if remark else []),
        *(
            Text(printable(line), style="yellow")
            for line in [*role_lines(status), *circuit_lines(status), *status.unarmed]
        ),
    )


def role_lines(status: Status) -> list[str]:
    """The leader, where it is another process; and why nobody leads."""
    lead = status.lead
    if lead.role == "standby":
        return [f"standby: {lead.trouble}" if lead.trouble else f"standby: rtp on {lead.leader} leads"]
    return [f"{lead.role} since {_moment(lead.since)}: {lead.trouble}"] if lead.trouble else []


def circuit_lines(status: Status) -> list[str]:
    """The services that are away, what waits for one that did not take it, and other troubles; one line each."""
    errors = [c.last_error for c in status.circuits] + [status.lead.trouble]
    away = [f"circuit {c.state}: {c.last_error}" for c in status.circuits if c.last_error]
    waiting = [(s, counted(s.parked, "event waits", "events wait")) for s in status.sinks if s.parked]
    others = [
        f"{t.part}, since {_moment(t.since)}, {counted(t.failures, 'failure')}: {t.cause}"
        for t in status.troubles
        if t.cause not in errors
    ]
    return away + [f"{s.sink}: {what}: {s.last_error}" for s, what in waiting] + others


def status_line(status: Status) -> str:
    """The status in one line, where there is no terminal to draw on."""
    sinks = [
        f"{s.sink} {s.state}, {s.events_per_second:,.0f} events/s, p50 {_ms(s.p50_ms)}, p99 {_ms(s.p99_ms)}, "
        f"lag {s.lag_events:,}, delivered {s.delivered:,}"
        for s in status.sinks
    ]
    return "; ".join(["status: " + sinks[0], *sinks[1:], *role_lines(status), *circuit_lines(status), *status.unarmed])


def _lag(sink: SinkStatus) -> str:
    return f"{sink.lag_events:,} ({sink.lag_seconds:.1f} s)" if sink.lag_events else "0"


_CELLS: Mapping[str, Callable[[SinkStatus], str]] = {
    "Sink": lambda sink: printable(sink.sink),
    "State": lambda sink: sink.state,
    "events/s": lambda sink: f"{sink.events_per_second:,.0f}",
    "p50": lambda sink: _ms(sink.p50_ms),
    "p99": lambda sink: _ms(sink.p99_ms),
    "max": lambda sink: _ms(sink.max_ms),
    "lag": _lag,
    "delivered": lambda sink: f"{sink.delivered:,}",
    "retries": lambda sink: str(sink.retries),
    "dead": lambda sink: str(sink.dead_letters),
}


def _moment(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
