"""uvicorn's HTTP protocol, which gives a client that is slow in asking, or asks too much, no time.

Every connection begins as one of these, a WebSocket's too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from core.gateway.wire import Wire

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGI3Application

REQUEST_SECONDS = 10.0
"""For a whole request, from its first byte or the connection's beginning."""
ANSWER_SECONDS = 60.0
"""For taking an answer that is no stream."""
_FAREWELL_SECONDS = 10.0
_MOST_REQUEST_BYTES = 65_536
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class GuardedHttp(HttpToolsProtocol):
    """A connection of HTTP's; handlers find it as `state.connection`."""

    wire: Wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self.wire = Wire(self.transport, self.loop)
        self._request_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._answering: RequestResponseCycle | None = None
        self._limit(REQUEST_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lift_deadline()
        super().connection_lost(exc)
        # uvicorn tells the last request alone, and a stream that another one waits behind would never end.
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        self._request_bytes += len(data)
        if self._request_bytes > _MOST_REQUEST_BYTES:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
            return
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["connection"] = self
        self._limit(REQUEST_SECONDS)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._request_bytes = 0
        self._limit(ANSWER_SECONDS)

    def on_response_complete(self) -> None:
        self.lift_deadline()  # uvicorn's own, for connections that are kept, begins
        super().on_response_complete()

    def handle_websocket_upgrade(self) -> None:
        self.lift_deadline()
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.wire.note_full()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.wire.note_room()

    def lift_deadline(self) -> None:
        """Let the answer take as long as it likes: it is a stream."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def end_stream(self) -> None:
        """End an answer that was written as a stream, behind all that was."""
        self.wire.write(b"0\r\n\r\n")
        self.wire.flush()
        self.transport.close()
        self.loop.call_later(_FAREWELL_SECONDS, self.transport.abort)

    def _limit(self, seconds: float) -> None:
        self.lift_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)
