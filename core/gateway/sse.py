"""Server-Sent Events at /v1/sse: one subscription, in the address; `Last-Event-ID` is where it goes on.

Written to the transport as a WebSocket's frames are, each message as one chunk. sse-starlette was left out: it has two
more tasks and a lock for each client, and replaces uvicorn's handling of signals for the whole process.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from core.errors import SettingsError
from core.gateway.access import ACCESS_IS_OVER
from core.gateway.limits import TooMany
from core.gateway.messages import Subscribe, message, read_request
from core.gateway.outlet import CloseCode
from core.gateway.refusal import refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from core.gateway.access import Admission
    from core.gateway.figures import ChannelFigures, ConnectionFigures
    from core.gateway.http_protocol import GuardedHttp
    from core.gateway.hub import Hub
    from core.gateway.limits import Places
    from core.gateway.outlet import Document
    from core.settings.serve import ServeSettings

_SUBSCRIPTION = "sse"
_RETRY_MS = 2000
_LISTS = ("kind", "chain", "entity", "reason")
_SINGLE = ("min_pct", "severity", "market")
_MEDIA_TYPE = "text/event-stream"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # a proxy must not collect what is live


class SseOutlet:
    """Writes each message as a chunk of the answer."""

    def __init__(self, connection: GuardedHttp, figures: ChannelFigures) -> None:
        self._connection = connection
        self._figures = figures
        self._is_closed = False
        self.end_reason = ""

    @property
    def has_room(self) -> bool:
        return self._connection.wire.has_room

    def send(self, kind: str, document: Document, position: str | None) -> None:
        place = b"id: %b\n" % position.encode() if position else b""
        # An EventSource waits as it was told last, and all would come back at the same moment.
        wait = b"retry: %d\n" % json.loads(b"".join(document))["after_ms"] if kind == "reconnect" else b""
        self._write(b"event: %b\n%b%bdata: %b%b\n\n" % (kind.encode(), place, wait, *document))
        self._figures.frames += 1

    def close(self, code: CloseCode, reason: str) -> None:
        if code is not CloseCode.RESTART:  # the hub has told why
            self.send("error", message("error", code=code.name.lower(), message=reason), None)
        self._end(code.name.lower())

    def refuse(self, code: str, reason: str) -> None:
        """Say why the client may not stay, and end."""
        self.send("error", message("error", code=code, message=reason), None)
        self._end(code)

    def _end(self, why: str) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.end_reason = why
            self._connection.end_stream()

    def begin(self) -> None:
        self._write(b"retry: %d\n\n" % _RETRY_MS)

    def ping(self) -> None:
        self._write(b": ping\n\n")

    def _write(self, text: bytes) -> None:
        if not self._is_closed:
            self._connection.wire.write(b"%x\r\n%b\r\n" % (len(text), text))
            self._figures.written_bytes += len(text)


class SseChannel:
    """The channel's route."""

    def __init__(self, hub: Hub, places: Places, settings: ServeSettings, figures: ConnectionFigures) -> None:
        self._hub, self._places = hub, places
        self._settings = settings
        self.figures = figures

    async def serve(self, request: Request) -> Response:
        """The answer to one request; it goes on until one of the two ends it."""
        try:
            subscription = _subscription(request)
        except SettingsError as error:
            return refusal(400, "bad_request", str(error))
        if request.method == "HEAD":
            return Response(headers=_HEADERS, media_type=_MEDIA_TYPE)
        return _EventStreamAnswer(self, request.state.admission, subscription)

    async def stream(self, scope: Scope, receive: Receive, send: Send, admission: Admission, subscription: str) -> None:
        """Subscribe, and go on until the connection has ended. Raises TooMany."""
        connection: GuardedHttp = scope["state"]["connection"]
        outlet = SseOutlet(connection, self.figures.sse)
        with self._places.one_for(scope["client"][0] if scope["client"] else ""):
            connection.lift_deadline()
            begin = Response(headers=_HEADERS, media_type=_MEDIA_TYPE)
            del begin.headers["content-length"]
            await send({"type": "http.response.start", "status": 200, "headers": begin.raw_headers})
            outlet.begin()
            self.figures.sse.clients += 1
            session = self._hub.connect(outlet, admission.reach)
            connection.wire.on_room = session.writable
            try:
                session.receive(subscription)
                await self._until_gone(receive, connection, outlet, admission.ends_at)
            finally:
                session.close()
                self.figures.sse.clients -= 1
                self.figures.disconnected[outlet.end_reason or "client"] += 1

    async def _until_gone(
        self, receive: Receive, connection: GuardedHttp, outlet: SseOutlet, ends_at: float | None
    ) -> None:
        """Comments keep what stands between from taking the connection for dead, and find out where it is."""
        while True:
            left = ends_at - time.time() if ends_at else self._settings.ping_seconds
            try:
                async with asyncio.timeout(min(self._settings.ping_seconds, max(0.0, left))):
                    await _disconnected(receive)
                    break
            except TimeoutError:
                if ends_at and time.time() >= ends_at:
                    outlet.refuse("token_over", ACCESS_IS_OVER)
                    ends_at = None
                elif connection.wire.is_stuck(self._settings.idle_timeout_seconds):
                    outlet.end_reason = "idle"
                    connection.wire.abort()
                else:
                    outlet.ping()


class _EventStreamAnswer(Response):
    def __init__(self, channel: SseChannel, admission: Admission, subscription: str) -> None:
        super().__init__()
        self._channel, self._admission, self._subscription = channel, admission, subscription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._channel.stream(scope, receive, send, self._admission, self._subscription)
        except TooMany as error:
            self._channel.figures.refused["too_many_connections"] += 1
            answer = refusal(429, "too_many_connections", str(error), {"Retry-After": "10"})
            await answer(scope, receive, send)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _subscription(request: Request) -> str:
    """What the address asks for, as a client of the WebSocket would. Raises SettingsError."""
    asked = request.query_params
    wanted: dict[str, Any] = {name: asked.getlist(name) for name in _LISTS if name in asked}
    wanted |= {name: asked[name] for name in _SINGLE if name in asked}
    subscribe: dict[str, Any] = {"type": "subscribe", "id": _SUBSCRIPTION, "filter": wanted}
    if "snapshot" in asked:
        if asked["snapshot"] not in ("true", "false"):
            raise SettingsError("snapshot: must be true or false")
        subscribe["snapshot"] = asked["snapshot"] == "true"
    if "slow" in asked:
        subscribe["slow"] = asked["slow"]
    if last := request.headers.get("last-event-id") or asked.get("resume"):
        subscribe["resume"] = last
    text = json.dumps(subscribe)
    read = read_request(text)
    assert isinstance(read, Subscribe)
    read.check()
    return text
