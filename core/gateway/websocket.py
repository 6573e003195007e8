"""The WebSocket /v1/ws: from the handshake to the close, and the outlet that the hub writes to."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.gateway.access import ACCESS_IS_OVER, AccessDenied
from core.gateway.limits import Allowance, TooMany
from core.gateway.messages import message
from core.gateway.outlet import CloseCode
from core.gateway.refusal import refusal
from core.gateway.tokens import bearer_token, token_offered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.websockets import WebSocket

    from core.gateway.access import Admission, Gate
    from core.gateway.figures import ChannelFigures, ConnectionFigures
    from core.gateway.hub import Hub
    from core.gateway.limits import Places
    from core.gateway.outlet import Document
    from core.gateway.websocket_protocol import LiveSocket
    from core.settings.serve import ServeSettings

SUBPROTOCOL = "rtp.v1"


class WebSocketOutlet:
    """Writes each message as a frame."""

    def __init__(self, socket: LiveSocket, figures: ChannelFigures) -> None:
        self._socket = socket
        self._figures = figures
        self.end_reason = ""

    @property
    def has_room(self) -> bool:
        return self._socket.wire.has_room

    @property
    def is_idle(self) -> bool:
        """Whether it was given up, as nothing came back."""
        return self._socket.is_idle

    def send(self, kind: str, document: Document, position: str | None) -> None:
        head, rest = document
        self._socket.send_text(head, rest)
        self._figures.frames += 1
        self._figures.written_bytes += len(head) + len(rest)

    def close(self, code: CloseCode, reason: str) -> None:
        self.end_reason = self.end_reason or code.name.lower()
        self._socket.end(code, reason)

    def refuse(self, code: str, reason: str) -> None:
        """Say why the client may not stay; a browser's program would learn nothing from an answer of HTTP's."""
        self.send("error", message("error", code=code, message=reason), None)
        self.end_reason = code
        self.close(CloseCode.POLICY, reason)


class WebSocketChannel:
    """The channel's route."""

    def __init__(
        self, hub: Hub, gate: Gate, places: Places, settings: ServeSettings, figures: ConnectionFigures
    ) -> None:
        self._hub, self._gate, self._places = hub, gate, places
        self._settings = settings
        self._figures = figures

    async def serve(self, websocket: WebSocket) -> None:
        """One connection."""
        offered = list(websocket.scope["subprotocols"])
        token = bearer_token(websocket.headers) or token_offered(offered)
        if SUBPROTOCOL not in offered and any(not token_offered([name]) for name in offered):
            answer = refusal(400, "protocol", f"this server speaks the subprotocol {SUBPROTOCOL}")
            await websocket.send_denial_response(answer)
            return
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        outlet = WebSocketOutlet(websocket.state.socket, self._figures.websocket)
        address = websocket.client.host if websocket.client else ""
        try:
            admission = self._gate.admit(token)
            with self._places.one_for(address), self._counted(outlet):
                await self._talk(websocket, outlet, admission)
        except AccessDenied as error:
            self._refuse(outlet, "unauthorized", error)
        except TooMany as error:
            self._refuse(outlet, "too_many_connections", error)

    def _refuse(self, outlet: WebSocketOutlet, code: str, why: Exception) -> None:
        self._figures.refused[code] += 1
        outlet.refuse(code, str(why))

    @contextmanager
    def _counted(self, outlet: WebSocketOutlet) -> Iterator[None]:
        self._figures.websocket.clients += 1
        try:
            yield
        finally:
            self._figures.websocket.clients -= 1
            self._figures.disconnected[outlet.end_reason or ("idle" if outlet.is_idle else "client")] += 1

    async def _talk(self, websocket: WebSocket, outlet: WebSocketOutlet, admission: Admission) -> None:
        loop = asyncio.get_running_loop()
        wire = websocket.state.socket.wire
        session = self._hub.connect(outlet, admission.reach)
        wire.on_room = session.writable
        over = admission.ends_at and loop.call_later(
            admission.ends_at - time.time(), outlet.refuse, "token_over", ACCESS_IS_OVER
        )
        limits = self._settings.limits
        allowance = Allowance(limits.messages_per_second, at_once=limits.subscriptions)
        try:
            while (received := await websocket.receive())["type"] == "websocket.receive":
                if not allowance.take(loop.time()):
                    told = f"more than {limits.messages_per_second:g} messages a second"
                    outlet.refuse("too_many_messages", told)
                    break
                text = received.get("text")
                if text is None:
                    outlet.send("error", message("error", code="not_text", message="send JSON as text"), None)
                else:
                    session.receive(text)
            if received.get("code") == CloseCode.TOO_BIG:
                outlet.end_reason = outlet.end_reason or "too_big"
        finally:
            session.close()
            if over:
                over.cancel()
