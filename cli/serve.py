"""`rtp serve`: the gateway in the foreground."""

from __future__ import annotations

from typer import Exit

from cli.gateway import Listen, serving
from cli.logs import LogFormat, LogLevel, logging_as, say
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, Stack, settings_from
from cli.output import print_json
from cli.promptness import be_prompt
from cli.running_demo import use_demo_if_unnamed
from cli.signals import noting_signals

_TICK_SECONDS = 0.2


def serve(
    config: Config = None,
    listen: Listen = None,
    redis_url: RedisUrl = None,
    postgres_dsn: PostgresDsn = None,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Serve events to browsers and programs: WebSocket, Server-Sent Events, REST, and a page to look at.

    It reads from Redis, and from PostgreSQL what only that knows, where an address is given; any number of them may run
    side by side, behind a load balancer, too. Without an address it finds a running [bold]rtp run --demo[/].
    Ctrl-C sends the clients elsewhere and ends. Another address than this machine's own needs a token.

    Examples:
    [bold]rtp serve[/]

    [bold]rtp serve --listen 0.0.0.0:8787 --config rtp.yaml[/]
    """
    with logging_as(log_format, log_level), noting_signals() as stop_requested:
        settings = settings_from(
            config, stack=stack, serve__listen=listen, redis__url=redis_url, postgres__dsn=postgres_dsn
        )
        with serving(use_demo_if_unnamed(settings, "Redis")) as server:
            be_prompt()
            if as_json:
                print_json({"url": server.url})
            while server.failure is None and not stop_requested.wait(_TICK_SECONDS):
                pass
            if stop_requested.is_set():
                say("Sending the clients elsewhere ...")
        if server.failure is not None:
            raise Exit(1)
