"""`rtp status`: what is installed, how far each sink is, and what went wrong; whether or not rtp is running."""

from __future__ import annotations

import time
from contextlib import nullcontext
from functools import partial
from typing import Annotated

import typer
from rich.live import Live

from cli.database import connection_to, or_of_the_demo
from cli.options import AsJson, Config, PostgresDsn, parse_duration, settings_from
from cli.output import out, print_json
from cli.status_tables import status_tables
from core.inspection.document import as_document
from core.inspection.inspector import inspect
from core.sinks.registry import sink_names

_WatchEvery = Annotated[
    float | None,
    typer.Option(
        "--watch-every",
        parser=partial(parse_duration, option="--watch-every"),
        metavar="DURATION",
        help="Look again and again, until Ctrl-C: 2s.",
    ),
]


def status(
    config: Config = None, postgres_dsn: PostgresDsn = None, watch_every: _WatchEvery = None, as_json: AsJson = False
) -> None:
    """Show what is installed, how far behind each sink is, what waits, what failed, and what the triggers cost.

    It reads the database only, so it works without a running rtp, and changes nothing. Without an address it finds a
    running [bold]rtp run --demo[/]. Exit code 2 where rtp is not installed.

    Example: [bold]rtp status --config rtp.yaml --watch-every 2s[/]
    """
    settings = or_of_the_demo(settings_from(config, postgres__dsn=postgres_dsn))
    configured = sink_names(settings) if config is not None else None
    live = Live(console=out, auto_refresh=False) if watch_every and out.is_terminal and not as_json else None
    try:
        with connection_to(settings) as connection, live or nullcontext():
            while True:
                seen = inspect(connection, settings.log, configured)
                if as_json:
                    print_json(as_document(seen))
                elif live:
                    live.update(status_tables(seen), refresh=True)
                else:
                    out.print(status_tables(seen))
                if watch_every is None:
                    return
                time.sleep(watch_every)
    except KeyboardInterrupt:
        return
