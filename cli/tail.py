"""`rtp tail`: watch the events as they are delivered."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from cli.event_line import event_line
from cli.kinds import ENTITY, KINDS, kind_name
from cli.options import AsJson, Config, RedisUrl, settings_from
from cli.output import err, out, print_line, print_problem
from cli.signals import noting_signals
from core.errors import SettingsError, StackError
from rtp_client import EventStream
from rtp_client.backoff import Backoff
from rtp_client.event_filter import EventFilter

if TYPE_CHECKING:
    from core.settings.models import Settings
    from rtp_client import TailedEvent


def _min_pct(text: str) -> Decimal:
    try:
        percent = Decimal(text.strip().removesuffix("%"))
    except InvalidOperation:
        percent = Decimal("NaN")
    if not percent.is_finite() or percent < 0:
        raise SettingsError("option --min-pct: must be a number of percent, 0 or more")
    return percent


def _count(text: str) -> int:
    if not re.fullmatch(r"0*[1-9][0-9]{0,17}", text):
        raise SettingsError("option --count: must be a whole number, 1 or more")
    return int(text)


def _since(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise SettingsError(
            "option --since: must be an event's sequence, a whole number, or 0 for all that Redis holds"
        )
    return int(text)


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
    typer.Option(parser=_min_pct, metavar="PERCENT", help="Only moves of at least this, up or down; no metadata."),
]
_Count = Annotated[int | None, typer.Option(parser=_count, metavar="N", help="End after this many events.")]
_Since = Annotated[
    int | None,
    typer.Option(parser=_since, metavar="SEQUENCE", help="Begin after this event; 0: all that Redis holds."),
]


def tail(
    kind: _KindOption = None,
    chain: _Chain = None,
    entity: _Entity = None,
    min_pct: _MinPct = None,
    as_json: AsJson = False,
    count: _Count = None,
    since: _Since = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Show events as they are delivered, or all since a sequence; end it with Ctrl-C.

    Without an address it finds a running [bold]rtp run --demo[/].
    --min-pct also passes moves away from zero, whose percentage is infinite.
    A gap or a lost connection is told on standard error.

    Example: [bold]rtp tail --kind tvl --chain ethereum --min-pct 5[/]
    """
    wanted = EventFilter(kind, chain, entity, min_pct)
    with (
        _stream(settings_from(config, redis__url=redis_url)) as stream,
        noting_signals(on_request=stream.close) as stop_requested,
    ):
        events = stream.follow(since)
        if err.is_terminal and not as_json:
            err.print(f"Following the events in Redis at {stream.address}; Ctrl-C ends.", style="dim", markup=False)
        for tailed in islice((one for one in events if wanted.matches(one.event)), count):
            if stop_requested.is_set():
                return
            _show(tailed, as_json=as_json)


def _stream(settings: Settings) -> EventStream:
    return EventStream(
        settings.redis.url or _stack_redis_url(),
        on_notice=print_problem,
        backoff=Backoff(settings.run.retry_initial_seconds, settings.run.retry_max_seconds),
        timeout_seconds=settings.redis.timeout_seconds,
    )


def _stack_redis_url() -> str:
    try:
        from core.stack import running_stack  # noqa: PLC0415  (not on every system)

        stack = running_stack()
    except (StackError, ImportError):
        stack = None
    if stack is None:
        raise SettingsError(
            "there is no Redis to follow: no address is given and no `rtp run --demo` is running",
            "Give --redis-url, RTP_REDIS_URL, or --config with redis.url",
        )
    return stack.redis_url


def _show(tailed: TailedEvent, *, as_json: bool) -> None:
    if as_json:
        print_line(tailed.document)
    else:
        out.print(event_line(tailed.event, delivered_at_ms=tailed.delivered_at_ms), soft_wrap=True)
