"""A client's connection as messages are written to it: at once, without a task that waits for its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

HIGH_WATER = 65_536
"""Beyond so many bytes that the system has not taken, a client is slow: what comes then waits in its queue."""


def _tell_nobody() -> None: ...


class Wire:
    """Writes to a transport, whose own buffer is the only one. The protocol says when that is full and free again."""

    def __init__(self, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(high=HIGH_WATER)
        self._transport = transport
        self._full_since: float | None = None
        self.on_room: Callable[[], None] = _tell_nobody
        self.bytes_written = 0

    @property
    def has_room(self) -> bool:
        return self._full_since is None

    def write(self, data: bytes) -> None:
        """Several writes of one turn of the loop are one call of the system's: uvloop sees to it."""
        if not self._transport.is_closing():
            self._transport.write(data)
            self.bytes_written += len(data)

    def note_full(self, now: float) -> None:
        """The protocol was told to pause writing."""
        self._full_since = now

    def note_room(self) -> None:
        """The protocol was told to resume writing."""
        self._full_since = None
        self.on_room()

    def is_stuck(self, now: float, seconds: float) -> bool:
        """Whether the client has taken nothing, or next to nothing, for so long."""
        return self._full_since is not None and now - self._full_since >= seconds

    def abort(self) -> None:
        """Give the connection up, with what was not sent."""
        self._transport.abort()
