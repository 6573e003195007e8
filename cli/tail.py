"""`rtp tail`: watch the events as they are delivered."""

from __future__ import annotations

from contextlib import nullcontext
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live
from rich.text import Text

from cli.event_line import event_line
from cli.kinds import ENTITY, KINDS, kind_name, require_kind
from cli.next_command import next_command
from cli.option_values import choice, choices, percent, whole_number
from cli.options import AsJson, Config, RedisUrl, Stack, settings_from
from cli.output import err, out, print_line, print_problem
from cli.reader import noting_the_reader
from cli.running_demo import use_demo_if_unnamed
from cli.signals import noting_signals
from cli.tail_chart import SPARKLINE_CELLS, Charts
from core.errors import SettingsError
from core.kinds import MARKET, SHIPPED
from rtp_client.backoff import Backoff
from rtp_client.event import Reason, Severity
from rtp_client.event_filter import EventFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.kinds import Kinds
    from core.settings.models import Settings
    from rtp_client import EventStream, TailedEvent

_GLOB = set("*?[")
_ROOM_IN_A_PIPE = 126

_KindOption = Annotated[
    str | None, typer.Option("--kind", parser=kind_name, metavar=KINDS, help="Only this kind of event.")
]
_Chain = Annotated[str | None, typer.Option("--chain", help="Only this chain; a name or a glob, in any case.")]
_Entity = Annotated[
    str | None,
    typer.Option(*ENTITY, help="Only this protocol, token or other entity; a name or a glob such as 'aave*'."),
]
_MinPct = Annotated[
    Decimal | None,
    typer.Option(
        parser=percent("--min-pct"), metavar="PERCENT", help="Only moves of at least this, up or down; no metadata."
    ),
]
_SeverityOption = Annotated[
    Severity | None,
    typer.Option(
        "--severity",
        parser=choice("--severity", Severity),
        metavar="SEVERITY",
        help=f"Only events of at least this: {', '.join(Severity)}.",
    ),
]
_Reasons = Annotated[
    list[str] | None,
    typer.Option("--reason", metavar="REASON,...", help="Only events for one of these reasons, such as depeg,repeg."),
]
_Chart = Annotated[
    bool,
    typer.Option(
        "--chart",
        help="Draw the entity's last values at each line's end; where --entity names one, plot them on a terminal.",
    ),
]
_Market = Annotated[
    bool | None,
    typer.Option("--market/--no-market", help="Only events that are part of a market-wide move, or only the others."),
]
_Count = Annotated[
    int | None, typer.Option(parser=whole_number("--count", 1), metavar="N", help="End after this many events.")
]
_Since = Annotated[
    int | None,
    typer.Option(
        parser=whole_number("--since", 0, what="an event's sequence"),
        metavar="SEQUENCE",
        help="Begin after this event; 0: all that Redis holds.",
    ),
]


def tail(
    kind: _KindOption = None,
    chain: _Chain = None,
    entity: _Entity = None,
    min_pct: _MinPct = None,
    severity: _SeverityOption = None,
    reason: _Reasons = None,
    chart: _Chart = False,
    market: _Market = None,
    stack: Stack = None,
    as_json: AsJson = False,
    count: _Count = None,
    since: _Since = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Show events as they are delivered, or all since a sequence, one a line; end it with Ctrl-C.

    Without an address it finds a running [bold]rtp run --demo[/].
    --min-pct also passes moves away from zero, whose percentage is infinite.
    A gap or a lost connection is told on standard error.

    Example: [bold]rtp tail --kind tvl --chain ethereum --min-pct 5[/]
    """
    settings = use_demo_if_unnamed(settings_from(config, stack=stack, redis__url=redis_url), "Redis")
    if config is not None:
        require_kind(kind, settings, MARKET.name)
    elif kind not in (None, MARKET.name, *SHIPPED):  # somebody's settings may have it
        print_problem(f"{kind} is no kind that rtp ships. Waiting for events of it; --config checks the name")
    if chart and as_json:
        raise SettingsError("option --chart does not fit here: --json prints documents")
    reasons = choices("--reason", Reason, reason) if reason else None
    wanted = EventFilter(kind, chain, entity, min_pct, severity, reasons, market)
    charts = Charts() if chart else None
    with (
        _stream(settings) as stream,
        noting_signals(on_request=stream.close) as stop_requested,
        noting_the_reader(),
    ):
        if charts is not None and since is None:
            charts.add_earlier(settings.redis)
        events = stream.follow(since)
        if err.is_terminal and not as_json:
            err.print(f"Following the events in Redis at {stream.address}; Ctrl-C ends.", style="dim", markup=False)
            if since is None:
                err.print(f"Where none comes, `{next_command('status', config)}` says why.", style="dim", markup=False)
        is_plotted = chart and entity is not None and not set(entity) & _GLOB and out.is_terminal
        live = Live(console=out, auto_refresh=False) if is_plotted else None
        with live or nullcontext():
            for tailed in islice(_chosen(events, wanted, charts), count):
                if stop_requested.is_set():
                    return
                if as_json:
                    print_line(tailed.document)
                    continue
                _show(tailed, settings.all_kinds, charts)
                if live and charts:
                    live.update(charts.below(tailed.event, settings.all_kinds, out.width), refresh=True)


def _stream(settings: Settings) -> EventStream:
    from rtp_client import EventStream  # noqa: PLC0415 - slow to import, and `--help` needs none of it

    return EventStream(
        settings.redis.url or "",
        on_notice=print_problem,
        backoff=Backoff(settings.run.retry_initial_seconds, settings.run.retry_max_seconds),
        timeout_seconds=settings.redis.timeout_seconds,
    )


def _chosen(events: Iterator[TailedEvent], wanted: EventFilter, charts: Charts | None) -> Iterator[TailedEvent]:
    """Those that are wanted; a chart has the values of the others, too."""
    for tailed in events:
        if charts is not None:
            charts.add(tailed.event)
        if wanted.matches(tailed.event):
            yield tailed


def _show(tailed: TailedEvent, kinds: Kinds, charts: Charts | None) -> None:
    width = out.width if out.is_terminal else None
    beside = 0 if charts is None else SPARKLINE_CELLS + 1
    room = None if width is None else max(width - beside, 1)
    line = event_line(tailed.event, kinds, delivered_at_ms=tailed.delivered_at_ms, width=room)
    if charts is not None:
        line.pad_right((room or _ROOM_IN_A_PIPE) - line.cell_len)
        line = Text.assemble(line, " ", charts.line(tailed.event))
    out.print(line, soft_wrap=True)
