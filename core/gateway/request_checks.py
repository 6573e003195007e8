"""What every request passes: whether its host and origin are known, its token, and the headers of every answer."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders

from core.gateway.access import AccessDenied
from core.gateway.refusal import refusal
from core.gateway.tokens import bearer_token, token_in_query

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from core.gateway.access import Gate
    from core.gateway.figures import ConnectionFigures
    from core.settings.serve import ServeSettings

_CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' data:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_LOCAL_NAMES = frozenset({"localhost"})


class HostCheck:
    """Refuses pages of other origins, and names that this machine is not known by; adds headers to every answer."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, figures: ConnectionFigures) -> None:
        self._app = app
        self._settings = settings
        self._figures = figures
        self._headers = dict(_HEADERS)
        if settings.tls:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(sent: Message) -> None:
            if sent["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=sent)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(sent)

        headers = Headers(scope=scope)
        host, origin = headers.get("host", "").lower(), headers.get("origin")
        if not self._knows(host):
            self._figures.refused["host"] += 1
            told = f"this server is not known as {host[:100]!r}. Set serve.public_url to the address that people use"
            await refusal(421, "unknown_host", told)(scope, receive, send_with_headers)
        elif origin is not None and not self._may_connect(origin.lower(), host):
            self._figures.refused["origin"] += 1
            told = f"pages of {origin[:100]!r} may not connect. serve.origins names those that may"
            await refusal(403, "foreign_origin", told)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _knows(self, host: str) -> bool:
        """Whether a request is for us: without tokens, a name that somebody points here would open the door.

        A page of evil.example whose name suddenly means 127.0.0.1 has an origin that is its own host (DNS rebinding).
        """
        if self._settings.asks_for_token or host in self._settings.own_hosts:
            return True
        name = _split(f"//{host}").hostname or ""
        return name in _LOCAL_NAMES or _is_address(name)

    def _may_connect(self, origin: str, host: str) -> bool:
        place = _split(origin)
        is_own = place.scheme in ("http", "https") and (
            place.netloc == host or place.netloc in self._settings.own_hosts
        )
        return is_own or origin in self._settings.origins


class TokenCheck:
    """Asks requests of the API for a token; `state.admission` and `state.reach` say what it allows.

    The page itself comes without, as it asks for one; a WebSocket's token is looked at once it can be told.
    """

    def __init__(self, app: ASGIApp, gate: Gate, figures: ConnectionFigures) -> None:
        self._app = app
        self._gate = gate
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["path"].startswith("/v1/") or scope["path"] == "/metrics"):
            token = bearer_token(Headers(scope=scope)) or token_in_query(scope["query_string"])
            try:
                admission = self._gate.admit(token)
            except AccessDenied as error:
                self._figures.refused["unauthorized"] += 1
                answer = refusal(401, "unauthorized", str(error), {"WWW-Authenticate": "Bearer"})
                await answer(scope, receive, send)
                return
            scope["state"] |= {"admission": admission, "reach": admission.reach}
        await self._app(scope, receive, send)


def _split(address: str) -> SplitResult:
    """An address that anybody may have written, taken apart; nothing, where it is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
