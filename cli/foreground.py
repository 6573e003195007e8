"""Running a pipeline in the foreground: the summary, the live status, and the ways it can end."""

from __future__ import annotations

import gc
import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.event_line import printable
from cli.logs import LOG, say
from cli.output import out, print_json
from core.monitor.monitor import own_version
from core.monitor.monitoring import Monitoring
from core.processor.status import Status, StatusReporter
from core.settings.models import postgres_dsn
from rtp_client.postgres import address

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from rich.console import RenderableType

    from core.processor.pipeline import Pipeline
    from core.settings.models import Settings

# A batch is some thousand objects, free again before the next one: looking among them for cycles finds none.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000
# The GIL changes hands at least this often: a batch for Redis must not wait 5 ms, the default, behind one for SQS.
SWITCH_INTERVAL_SECONDS = 0.0005
IDLE_SECONDS = 1.0
_TICK_SECONDS = 0.1


@dataclass(frozen=True)
class Ending:
    """When to end without being told to."""

    after_seconds: float | None = None
    when_idle: bool = False


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


def run_processor(
    pipeline: Pipeline,
    settings: Settings,
    view: View,
    ending: Ending,
    stop_requested: threading.Event,
    *,
    is_fed: Callable[[], bool] = lambda: True,
) -> None:
    """Run until the ending, a request to stop, or an error that retrying cannot mend (raised).

    `is_fed` says when nothing more will come to be delivered.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.freeze()  # what is there by now stays
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    reporter = StatusReporter(pipeline)
    monitoring = Monitoring(settings, pipeline)
    try:
        with view.open():
            print_summary(pipeline, settings, monitoring.url)
            pipeline.start()
            monitoring.start()
            _watch(pipeline, reporter, view, ending, stop_requested, is_fed, settings.run.status_interval_seconds)
        if stop_requested.is_set():
            say("Finishing the batch in hand ...")
    finally:
        ended = pipeline.stop()
        monitoring.stop()
    view.show(reporter.take(), is_interval_over=True)
    if not ended:
        LOG.warning("A sink did not finish in time; what it had in hand is delivered again at the next start.")
    if pipeline.failure is not None:
        raise pipeline.failure
    delivered = {d.sink.name: d.metrics.delivered for d in pipeline.deliveries}
    counts = ", ".join(f"{sink} {count:,}" for sink, count in delivered.items())
    LOG.info("Stopped. Delivered: %s.", counts, extra={"facts": {"delivered": delivered}})


def _watch(
    pipeline: Pipeline,
    reporter: StatusReporter,
    view: View,
    ending: Ending,
    stop_requested: threading.Event,
    is_fed: Callable[[], bool],
    interval_seconds: float,
) -> None:
    started = shown = time.monotonic()
    while pipeline.failure is None and not stop_requested.wait(_TICK_SECONDS):
        now = time.monotonic()
        if now - shown >= interval_seconds:
            shown = now
            view.show(reporter.take(), is_interval_over=True)
        if ending.after_seconds is not None and now - started >= ending.after_seconds:
            return
        if ending.when_idle and is_fed() and pipeline.idle_seconds() >= IDLE_SECONDS:
            return


def print_summary(pipeline: Pipeline, settings: Settings, http_url: str | None) -> None:
    """What rtp is connected to, and what it watches."""
    table = Table(box=None, show_header=False, pad_edge=False)
    addresses = [("PostgreSQL", address(postgres_dsn(settings)))]
    addresses += [(delivery.sink.name, delivery.sink.address) for delivery in pipeline.deliveries]
    addresses += [("HTTP", f"{http_url}/metrics, /healthz, /readyz")] if http_url else []
    rows = addresses + [(f"watch {name}", f"{watch.kind} in {watch.table}") for name, watch in settings.watches.items()]
    for what, where in rows:
        table.add_row(what, Text(printable(where)))  # [fe80::1] is an address, not markup
    facts = {
        "addresses": dict(addresses),
        "watches": {n: f"{w.kind} in {w.table}" for n, w in settings.watches.items()},
    }
    LOG.info("rtp %s starts", own_version(), extra={"facts": facts | {"pid": os.getpid()}, "shown": table})


def status_table(status: Status) -> RenderableType:
    """The status for people."""
    table = Table("Sink", "State", "events/s", "p50", "p99", "max", "lag", "delivered", "retries", "dead", box=None)
    for sink in status.sinks:
        lag = f"{sink.lag_events:,} ({sink.lag_seconds:.1f} s)" if sink.lag_events else "0"
        numbers = (_ms(sink.p50_ms), _ms(sink.p99_ms), _ms(sink.max_ms), lag)
        counts = (f"{sink.delivered:,}", str(sink.retries), str(sink.dead_letters))
        table.add_row(sink.sink, sink.state, f"{sink.events_per_second:,.0f}", *numbers, *counts)
    return Group(
        table, *(Text(printable(line), style="yellow") for line in [*role_lines(status), *circuit_lines(status)])
    )


def role_lines(status: Status) -> list[str]:
    """Who leads, where it is somebody else."""
    return [f"standby: rtp on {status.leader} leads"] if status.role == "standby" else []


def circuit_lines(status: Status) -> list[str]:
    """The services that are away, and what waits for one that did not take it; one line each."""
    away = [f"circuit {c.state}: {c.last_error}" for c in status.circuits if c.last_error]
    return away + [f"{s.sink}: {s.parked:,} events wait: {s.last_error}" for s in status.sinks if s.parked]


def status_line(status: Status) -> str:
    """The status in one line, where there is no terminal to draw on."""
    sinks = [
        f"{s.sink} {s.state}, {s.events_per_second:,.0f} events/s, p50 {_ms(s.p50_ms)}, p99 {_ms(s.p99_ms)}, "
        f"lag {s.lag_events:,}, delivered {s.delivered:,}"
        for s in status.sinks
    ]
    return "; ".join(["status: " + sinks[0], *sinks[1:], *role_lines(status), *circuit_lines(status)])


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
