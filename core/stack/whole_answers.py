"""uvicorn's protocol, which sends an answer in one packet.

uvicorn writes the head of an answer and its body one after the other, and each time uvloop writes at once: two system
calls, and a client that is woken twice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from collections.abc import Callable


class WholeAnswers(HttpToolsProtocol):
    """What is written in one turn of the loop is sent at its end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        gathering = GatheringTransport(cast("asyncio.Transport", transport), self.loop.call_soon)
        super().connection_made(cast("asyncio.Transport", gathering))


class GatheringTransport:
    """A transport, but for when it sends."""

    def __init__(self, transport: asyncio.Transport, call_soon: Callable[..., Any]) -> None:
        self._transport, self._call_soon = transport, call_soon
        self._written: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send it at the end of this turn of the loop."""
        if not self._written:
            self._call_soon(self._send)
        self._written.append(data)

    def close(self) -> None:
        """Close it when all is sent."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._written:
            self._transport.write(b"".join(self._written))
            self._written.clear()
