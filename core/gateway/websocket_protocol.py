"""uvicorn's WebSocket protocol, with a way for frames that does not lead through ASGI.

A server's frames are not masked, so the bytes of an event's frame are the same for every client but for its head: the
length, and the message's own first part. Each frame is put together where the event is known, and a client's frames of
one turn of the loop are one write. Measured with 200 clients, 740 bytes a message, in µs of CPU a frame, first where
a client has one frame a turn, then where it has five: Starlette's send 13 and 9, websockets' broadcast 8 and 8, this 8
and 3. Nearly all of a lone frame's 8 are the system's, for sending it.

No permessage-deflate: with it each client needs a compressor of its own (64 KB, or 11 KB at the least window) and each
frame is compressed for each client. An event is 700 bytes; a client that is far away is better served by a filter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from core.gateway.wire import Wire

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGISendEvent
    from websockets.http11 import Request

# A client that reads nothing would keep a connection that is closed politely for ever. One that is slow reads why.
_FAREWELL_SECONDS = 10.0
_SILENT_FAREWELL_SECONDS = 2.0
_MOST_REASON_BYTES = 123
_TEXT = 0x81  # one whole message of text


def frame(head: bytes, rest: bytes) -> bytes:
    """A message of text, in two parts, as one frame of a server's."""
    length = len(head) + len(rest)
    if length < 126:
        return b"%c%c%b%b" % (_TEXT, length, head, rest)
    if length < 65_536:
        return b"%c\x7e%b%b%b" % (_TEXT, length.to_bytes(2, "big"), head, rest)
    return b"%c\x7f%b%b%b" % (_TEXT, length.to_bytes(8, "big"), head, rest)


class LiveSocket(WebSocketsSansIOProtocol):
    """A WebSocket that the gateway writes to; handlers find it as `state.socket`."""

    wire: Wire
    is_idle = False
    """Whether a ping was not answered in time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.wire = Wire(self.transport, self.loop)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["state"]["socket"] = self

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True  # it has been refused; uvicorn takes it for forgotten

    def pause_writing(self) -> None:
        super().pause_writing()
        self.wire.note_full()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.wire.note_room()

    def send_text(self, head: bytes, rest: bytes = b"") -> None:
        """Write a message; after the closing frame nothing is."""
        if not self.close_sent:
            self.wire.write(frame(head, rest))

    def end(self, code: int, reason: str) -> None:
        """Send the closing frame behind all that was sent, and do not wait for ever for what the client says to it."""
        if self.close_sent or self.transport.is_closing():
            return
        short = reason.encode()[:_MOST_REASON_BYTES].decode(errors="ignore")
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": short})
        self.wire.flush()
        self.conn.send_close(code, short)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:  # the client's answer is to be heard
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(_FAREWELL_SECONDS, self.transport.abort)

    def handle_close(self, event: Any) -> None:
        super().handle_close(event)
        self._give_up_soon()

    def keepalive_timeout(self) -> None:
        self.is_idle = True
        super().keepalive_timeout()
        self._give_up_soon()

    def _give_up_soon(self) -> None:
        """Closing waits until all is written, and a client that is frozen takes nothing."""
        if self.transport.is_closing():
            self.loop.call_later(_SILENT_FAREWELL_SECONDS, self.transport.abort)
