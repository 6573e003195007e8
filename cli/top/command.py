"""`rtp top`: the board in a terminal, or once as JSON."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated

import typer

from cli.options import AsJson, Config, PostgresDsn, RedisUrl, Stack, settings_from
from cli.output import print_json, print_problem
from cli.running_demo import use_demo_if_unnamed
from cli.signals import noting_signals
from cli.top.selection import parse_selection
from cli.top.terminal import is_full_terminal
from core.errors import SettingsError
from core.sinks.sink_type import needing

_Filter = Annotated[
    str,
    typer.Option(
        "--filter",
        metavar="FILTER",
        help="What to show, as written after / on the board: 'kind:price min:2 severity:warning reason:depeg usd*'.",
    ),
]
_Gateway = Annotated[
    str | None,
    typer.Option(
        "--gateway",
        metavar="URL",
        envvar="RTP_GATEWAY_URL",
        help="Look through this rtp serve, not at Redis and PostgreSQL: https://rtp.example.",
    ),
]
_Token = Annotated[
    str | None,
    typer.Option("--token", envvar="RTP_GATEWAY_TOKEN", help="What the gateway wants to see; better by environment."),
]


def top(
    filter_: _Filter = "",
    gateway: _Gateway = None,
    token: _Token = None,
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Show movers, pegs, events, and rtp's sinks and their lag, live on one screen of a terminal.

    Without an address it finds a running [bold]rtp run --demo[/]. Straight from Redis, sinks, lag and all about an
    entity need PostgreSQL's address, too; a gateway tells them itself. ? shows the keys, q ends it. --json prints what
    there is now, once.

    Examples:
    [bold]rtp top --filter "kind:price severity:warning"[/]

    [bold]rtp top --gateway https://rtp.example[/]
    """
    selection = parse_selection(filter_)
    if not as_json:
        _require_terminal()
    if gateway is not None and stack is not None:
        raise SettingsError("option --stack does not fit here: --gateway says where to look")
    settings = settings_from(config, stack=stack, postgres__dsn=postgres_dsn, redis__url=redis_url)
    if gateway is None:
        settings = use_demo_if_unnamed(settings, "Redis")
    from cli.top.look import look_once  # noqa: PLC0415 - slow to import, and `--help` needs none of it
    from cli.top.worlds import world_of, world_of_gateway  # noqa: PLC0415 - as above

    with noting_signals() as stop_requested, ExitStack() as exits:
        opening = world_of(settings) if gateway is None else world_of_gateway(gateway, token, settings)
        world = replace(exits.enter_context(opening), is_over=stop_requested.is_set)
        if as_json:
            print_json(look_once(world, selection, is_state_told=world.details is None))
            return
        from cli.top.board import Board  # noqa: PLC0415 - Textual is an extra

        board = Board(world, selection)
        board.run()
    for line in board.said:
        print_problem(line)
    if board.failure is not None:
        raise board.failure


def _require_terminal() -> None:
    with needing("tui", "the board is drawn with Textual"):
        import textual  # noqa: F401, PLC0415
    if not is_full_terminal():
        raise SettingsError("rtp top needs a terminal", "rtp tail and rtp status print lines; or ask for --json")
