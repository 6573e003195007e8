"""A client's connection as messages are written to it: without a task that waits for its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

HIGH_WATER = 65_536
"""Beyond so many bytes that the system has not taken, a client is slow: what comes then waits in its queue."""


def _tell_nobody() -> None: ...


class Wire:
    """Collects what is written in one turn of the loop, and hands it to the transport at once.

    In a burst, when CPU is short, a client has several frames a turn. The protocol says when the transport's buffer is
    full, and when it has room again.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        transport.set_write_buffer_limits(high=HIGH_WATER)
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._full_since: float | None = None
        self.on_room: Callable[[], None] = _tell_nobody

    @property
    def has_room(self) -> bool:
        return self._full_since is None

    def write(self, data: bytes) -> None:
        """Write it by the end of this turn of the loop."""
        if not self._pending:
            self._loop.call_soon(self.flush)
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes >= HIGH_WATER:
            self.flush()

    def flush(self) -> None:
        """Hand over what was written, now."""
        if self._pending:
            whole = b"".join(self._pending)
            self._pending.clear()
            self._pending_bytes = 0
            if not self._transport.is_closing():
                self._transport.write(whole)

    def note_full(self) -> None:
        """The protocol was told to pause writing."""
        self._full_since = self._loop.time()

    def note_room(self) -> None:
        """The protocol was told to resume writing."""
        self._full_since = None
        self.on_room()

    def is_stuck(self, seconds: float) -> bool:
        """Whether the client has taken nothing, or next to nothing, for so long."""
        return self._full_since is not None and self._loop.time() - self._full_since >= seconds

    def abort(self) -> None:
        """Give the connection up, with what was not sent."""
        self._transport.abort()
