"""`rtp route`: where an event would go, and why."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli.kinds import ENTITY, KINDS, kind_name, require_kind
from cli.option_values import choice, percent
from cli.options import AsJson, Config, SqsQueue, Stack, settings_from
from cli.output import out, print_json
from cli.running_demo import use_demo_if_running
from cli.tables import facts, new_table
from core.routes.matching import Routes
from core.routes.sample_event import sample_event
from core.sinks.registry import destinations
from rtp_client.event import Reason, Severity
from rtp_client.keys import channel, route_channel

if TYPE_CHECKING:
    from core.routes.matching import RouteVerdict
    from core.routes.sample_event import SampleEvent

_Choice = TypeVar("_Choice", bound=StrEnum)


_KindOption = Annotated[str, typer.Option("--kind", parser=kind_name, metavar=KINDS, help="The event's kind.")]
_Entity = Annotated[str, typer.Option(*ENTITY, help="The event's protocol, token or other entity.")]
_Chain = Annotated[
    str | None, typer.Option("--chain", help="Its chain. Default: the watch's constant one, else ethereum.")
]
_Percent = Annotated[
    Decimal | None,
    typer.Option(
        "--pct",
        parser=percent("--pct", signed=True),
        metavar="PERCENT",
        help="By how much it moved, up or down.",
    ),
]
_SeverityOption = Annotated[
    Severity | None,
    typer.Option(
        "--severity",
        parser=choice("--severity", Severity),
        metavar="|".join(Severity),
        help="Default: as the watch's tiers say of --pct.",
    ),
]
_ReasonOption = Annotated[
    Reason | None,
    typer.Option(
        "--reason",
        parser=choice("--reason", Reason),
        metavar="REASON",
        help="Default: deviation, of metadata: changed.",
    ),
]


def route(
    kind: _KindOption,
    entity: _Entity,
    chain: _Chain = None,
    pct: _Percent = None,
    severity: _SeverityOption = None,
    reason: _ReasonOption = None,
    config: Config = None,
    sqs_queue: SqsQueue = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Show where an event would go: its sinks, queues and channels, which routes match, and why the others do not.

    Without an address it looks at a running [bold]rtp run --demo[/], where there is one.

    Example: [bold]rtp route --kind tvl --protocol lido --chain ethereum --pct 7 --config rtp.yaml[/]
    """
    settings = settings_from(config, stack=stack, sqs__queue=sqs_queue)
    if sqs_queue is None:
        settings = use_demo_if_running(settings)
    require_kind(kind, settings)
    event = sample_event(settings, kind, entity=entity, chain=chain, percent=pct, reason=reason, severity=severity)
    routes = Routes(settings)
    queues, judged = routes.queues(event), routes.judge(event)
    sinks = [one.sink for one in destinations(settings) if one.takes(event)]
    channels = [channel(kind, event.chain, event.entity), *map(route_channel, routes.channels(event))]
    if as_json:
        print_json(
            {
                "event": {name: value for name, value in vars(event).items() if name != "current"},
                "sinks": sinks,
                "queues": queues,
                "channels": channels,
                "routes": [_judged(one) for one in judged],
            }
        )
        return
    default = settings.sqs.queue
    note = " (gets every event: no route names it)" if default and routes.takes_all(default) else ""
    shown = [f"{queue}{note if queue == default else ''}" for queue in queues]
    _show(event, sinks, shown, channels, judged)


def _judged(one: RouteVerdict) -> dict[str, str | None]:
    return {"route": one.label, "queue": one.route.queue, "channel": one.route.channel, "mismatch": one.mismatch}


def _show(
    event: SampleEvent, sinks: list[str], queues: list[str], channels: list[str], judged: list[RouteVerdict]
) -> None:
    moved = "" if event.change_pct is None else f", {event.change_pct} %"
    said = f"{event.kind} of {event.entity} on {event.chain}: {event.reason}, {event.severity}{moved}"
    out.print(
        facts(
            [
                ("event", said),
                ("sinks", ", ".join(sinks) or "none"),
                ("queues", ", ".join(queues) or "none"),
                ("channels", ", ".join(channels)),
            ]
        )
    )
    if judged:
        out.print(
            new_table(
                "Routes",
                *("route", "matches", "queue", "channel", "why not"),
                rows=[
                    (one.label, "no" if one.mismatch else "yes", one.route.queue, one.route.channel, one.mismatch)
                    for one in judged
                ],
            )
        )
