"""The gateway's routes, and what stands in front of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute

from core.gateway.limits import Places
from core.gateway.page_files import page_routes
from core.gateway.refusal import refusal
from core.gateway.request_checks import HostCheck, TokenCheck
from core.gateway.sse import SseChannel
from core.gateway.websocket import WebSocketChannel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from core.gateway.access import Gate
    from core.gateway.figures import ConnectionFigures
    from core.gateway.hub import Hub
    from core.settings.serve import ServeSettings


def gateway_app(
    hub: Hub, gate: Gate, settings: ServeSettings, figures: ConnectionFigures, routes: Iterable[BaseRoute]
) -> Starlette:
    """All of it: the two live channels, `routes` for what needs no stream, and the page."""
    places = Places(settings.limits)
    live: list[BaseRoute] = [
        WebSocketRoute("/v1/ws", WebSocketChannel(hub, gate, places, settings, figures).serve),
        Route("/v1/ws", _ask_for_websocket),
        Route("/v1/sse", SseChannel(hub, places, settings, figures).serve, methods=["GET"]),
    ]
    middleware = [
        Middleware(HostCheck, settings=settings, figures=figures),
        Middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET"],
            allow_headers=["Authorization", "Last-Event-ID"],
        ),
        Middleware(TokenCheck, gate=gate, figures=figures),
    ]
    handlers = {HTTPException: _refuse, Exception: _tell_defect}
    return Starlette(routes=[*live, *routes, *page_routes()], middleware=middleware, exception_handlers=handlers)


async def _ask_for_websocket(_request: Request) -> Response:
    return refusal(426, "no_websocket", "this is a WebSocket's address; /v1/sse answers HTTP", {"Upgrade": "websocket"})


async def _refuse(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    return refusal(error.status_code, code, error.detail, error.headers)


async def _tell_defect(_request: Request, _error: Exception) -> Response:
    """Whoever runs rtp is told which."""
    return refusal(500, "defect", "a defect in rtp; its log has more")
