"""The gateway as commands run it: `rtp serve` alone, `rtp run --serve` beside the processor."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cli.logs import LOG, report, warn
from core.errors import SettingsError
from core.settings.serve import DEFAULT_LISTEN
from core.sinks.sink_type import needing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starlette.routing import BaseRoute

    from core.gateway.server import GatewayServer
    from core.settings.models import Settings

Listen = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        help=f"Serve events and the page here. Default: {DEFAULT_LISTEN}. Environment: RTP_SERVE_LISTEN.",
    ),
]


@contextmanager
def serving(
    settings: Settings, *, anywhere: bool = False, more_routes: Sequence[BaseRoute] = ()
) -> Iterator[GatewayServer]:
    """A gateway that answers within the block, at any free port where `anywhere` and the usual one is taken.

    Raises SettingsError where it cannot listen, or may not.
    """
    with needing("serve", "rtp serve is made with Starlette"):
        from core.gateway.server import GatewayServer  # noqa: PLC0415 - an extra
    try:
        server = GatewayServer(settings, on_problem=report, more_routes=more_routes)
    except SettingsError:
        if not anywhere or settings.serve.listen != DEFAULT_LISTEN:
            raise
        free = settings.serve.model_copy(update={"listen": "127.0.0.1:0"})
        moved = settings.model_copy(update={"serve": free})
        server = GatewayServer(moved, on_problem=report, more_routes=more_routes)
    serve = settings.serve
    if serve.is_public and serve.tls is None:
        warn(
            f"serve.listen: {serve.listen} is open to other machines without TLS: tokens can be read on the way. Set"
            " serve.tls, or let a proxy speak TLS and listen on 127.0.0.1"
        )
    server.start()
    LOG.info("The page is at %s", server.url, extra={"facts": {"url": server.url}})
    try:
        yield server
    finally:
        server.stop()


def serve_warnings(settings: Settings) -> list[str]:
    """Why `rtp serve` would not start by these settings, where it is installed."""
    serve = settings.serve
    if not (serve.is_public or serve.jwt or serve.tls):
        return []
    try:
        from core.gateway.security import security_of  # noqa: PLC0415 - an extra
    except ImportError:
        return []
    try:
        security_of(serve)
    except SettingsError as error:
        return [f"rtp serve will not start: {error}"]
    return []
