"""A WebSocket client that costs next to nothing: thousands of them must not take the machine from what is measured.

It speaks just enough of RFC 6455 for the gateway's small text frames, and reads of each message only what it needs.
"""

from __future__ import annotations

import asyncio
import base64
import os
import struct
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXT, _CLOSE, _PING = 0x81, 0x88, 0x89
_PONG = b"\x8a\x80\0\0\0\0"
_MASK = b"\0\0\0\0"  # a mask of zeros is one, too, and costs nothing
_EVENT = b'{"type":"event"'
_N = b'"n":'
_SKIPPED = b'"skipped":'
_CHANGED_AT = b'"changed_at":"'
_POSITION = b'"position":"'
_TIME_BYTES = 27


@dataclass
class Counted:
    """What all clients of a swarm have seen. Times in seconds; `waits` are of the clients that measure."""

    subscribed: int = 0
    resumed: int = 0
    reset: int = 0
    frames: int = 0
    lost: int = 0
    skipped: int = 0
    closed: dict[int, int] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)


class SwarmClient(asyncio.Protocol):
    """Subscribes to some entities, or resumes where it was; counts what it gets, and looks for gaps."""

    def __init__(self, counted: Counted, entities: Sequence[str], *, measures: bool) -> None:
        self.position = ""
        self._counted, self._entities, self._measures = counted, entities, measures
        self._buffer = bytearray()
        self._shaken = False
        self._n = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._shaken, self._n = False, 0
        self._buffer.clear()
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: rtp.v1\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now = time.time()
        buffer = self._buffer
        buffer += data
        if not self._shaken and not self._shake():
            return
        start = 0
        while len(buffer) - start >= 2:
            length, head = buffer[start + 1], 2
            if length == 126:
                head = 4
                if len(buffer) - start < head:
                    break
                length = struct.unpack_from(">H", buffer, start + 2)[0]
            elif length == 127:
                head = 10
                if len(buffer) - start < head:
                    break
                length = struct.unpack_from(">Q", buffer, start + 2)[0]
            end = start + head + length
            if len(buffer) < end:
                break
            self._take(buffer[start], bytes(buffer[start + head : end]), now)
            start = end
        del buffer[:start]

    def freeze(self) -> None:
        """Read nothing any more."""
        if self._transport is not None:
            self._transport.pause_reading()

    def _shake(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self._buffer.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(bytes(self._buffer[:end]).decode())
        del self._buffer[: end + 4]
        self._shaken = True
        names = ",".join(f'"{name}"' for name in self._entities)
        resume = f',"resume":"{self.position}"' if self.position else ""
        self._send(
            f'{{"type":"subscribe","id":"a","snapshot":false{resume},'
            f'"filter":{{"kind":"tvl","chain":"bench","entity":[{names}]}}}}'.encode()
        )
        return True

    def _send(self, text: bytes) -> None:
        assert self._transport is not None
        length = bytes([0x80 | len(text)]) if len(text) < 126 else bytes([0x80 | 126]) + struct.pack(">H", len(text))
        self._transport.write(b"\x81" + length + _MASK + text)

    def _take(self, opcode: int, message: bytes, now: float) -> None:
        if opcode == _PING and self._transport is not None:
            self._transport.write(_PONG)
        elif opcode == _CLOSE:
            code = int.from_bytes(message[:2], "big")
            self._counted.closed[code] = self._counted.closed.get(code, 0) + 1
        elif opcode == _TEXT and message.startswith(_EVENT):
            self._take_event(message, now)
        elif opcode == _TEXT:
            self._take_answer(message)

    def _take_event(self, message: bytes, now: float) -> None:
        counted = self._counted
        counted.frames += 1
        n, skipped = _number(message, _N), _number(message, _SKIPPED) if _SKIPPED in message[:80] else 0
        counted.lost += n - self._n - 1 - skipped
        counted.skipped += skipped
        self._n = n
        self.position = _text(message, _POSITION)
        if self._measures:
            at = message.find(_CHANGED_AT) + len(_CHANGED_AT)
            changed_at = datetime.fromisoformat(message[at : at + _TIME_BYTES].decode())
            counted.waits.append(now - changed_at.timestamp())

    def _take_answer(self, message: bytes) -> None:
        if b'"type":"subscribed"' in message:
            self._counted.subscribed += 1
            self._counted.resumed += b'"resumed":true' in message
            self.position = self.position or _text(message, _POSITION)
        elif b'"type":"reset"' in message:
            self._counted.reset += 1
        elif b'"type":"error"' in message:
            raise ConnectionError(message.decode())


def _number(message: bytes, name: bytes) -> int:
    start = message.find(name) + len(name)
    end = start
    while 48 <= message[end] <= 57:
        end += 1
    return int(message[start:end])


def _text(message: bytes, name: bytes) -> str:
    start = message.find(name) + len(name)
    return message[start : message.find(b'"', start)].decode()
