"""How the gateway ends: clients are sent elsewhere, one after another, and heard out."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn

from core.gateway.http_protocol import GuardedHttp
from core.gateway.outlet import CloseCode

if TYPE_CHECKING:
    import socket

    from core.gateway.hub import Hub

# What one server takes on in a second is a few thousand connections.
_MS_BETWEEN_CLIENTS = 1
_LOOK_SECONDS = 0.02
_RECONNECT_MESSAGE = "this rtp serve is about to end; connect again, to whichever answers"


class DrainingServer(uvicorn.Server):
    """Sends its clients elsewhere before it ends, and gives those up that have not gone in time."""

    def __init__(self, config: uvicorn.Config, hub: Hub, drain_seconds: float) -> None:
        super().__init__(config)
        self._hub = hub
        self._drain_seconds = drain_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        sessions = list(self._hub.sessions)
        # They come back one after another, or the next server has them all at once.
        self._hub.drain(min(int(self._drain_seconds * 1000), len(sessions) * _MS_BETWEEN_CLIENTS), _RECONNECT_MESSAGE)
        for session in sessions:
            session.outlet.close(CloseCode.RESTART, _RECONNECT_MESSAGE)
        for connection in list(self.server_state.connections):
            if isinstance(connection, GuardedHttp):
                connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._drain_seconds):
                while self.server_state.connections:
                    await asyncio.sleep(_LOOK_SECONDS)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)
