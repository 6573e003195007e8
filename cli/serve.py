"""`rtp serve`: the gateway in the foreground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.logs import LOG, LogFormat, LogLevel, logging_as, say, warn
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, settings_from
from cli.output import print_json
from cli.running_demo import use_demo_if_unnamed
from cli.signals import noting_signals
from core.sinks.sink_type import needing

if TYPE_CHECKING:
    import threading

    from core.gateway.server import GatewayServer
    from core.settings.models import Settings

_TICK_SECONDS = 0.2

_Listen = Annotated[
    str | None,
    typer.Option(
        "--listen", metavar="HOST:PORT", help="Answer here. Default: 127.0.0.1:8787. Environment: RTP_SERVE_LISTEN."
    ),
]


def serve(
    config: Config = None,
    listen: _Listen = None,
    redis_url: RedisUrl = None,
    postgres_dsn: PostgresDsn = None,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
    as_json: AsJson = False,
) -> None:
    """Serve events to browsers and programs: WebSocket, Server-Sent Events, REST, and a page to look at.

    It reads from Redis, and from PostgreSQL what only that knows, where an address is given; any number of them may run
    side by side, behind a load balancer, too. Without an address it finds a running [bold]rtp run --demo[/].
    Ctrl-C sends the clients elsewhere and ends. Another address than this machine's own needs a token.

    Examples:
    [bold]rtp serve[/]

    [bold]RTP_SERVE_TOKEN=... rtp serve --listen 0.0.0.0:8787 --config rtp.yaml[/]
    """
    with logging_as(log_format, log_level), noting_signals() as stop_requested:
        settings = settings_from(config, serve__listen=listen, redis__url=redis_url, postgres__dsn=postgres_dsn)
        server = open_gateway(use_demo_if_unnamed(settings, "Redis"))
        server.start()
        if as_json:
            print_json({"url": server.url})
        LOG.info("rtp serve: %s; Ctrl-C ends.", server.url, extra={"facts": {"url": server.url}})
        _wait(server, stop_requested)


def open_gateway(settings: Settings) -> GatewayServer:
    """The gateway, listening. Raises SettingsError."""
    with needing("serve", "rtp serve is made with Starlette"):
        from core.gateway.server import GatewayServer  # noqa: PLC0415 - an extra
    server = GatewayServer(settings)
    if settings.serve.is_public and settings.serve.tls is None:
        warn(
            f"serve.listen: {settings.serve.listen} is open to other machines without TLS: tokens can be read on the"
            " way. Set serve.tls, or let a proxy speak TLS and listen on 127.0.0.1"
        )
    return server


def _wait(server: GatewayServer, stop_requested: threading.Event) -> None:
    try:
        while not stop_requested.wait(_TICK_SECONDS):
            if server.failure is not None:
                raise server.failure
    finally:
        if stop_requested.is_set():
            say("Sending the clients elsewhere ...")
        server.stop()
    if server.failure is not None:
        raise server.failure
