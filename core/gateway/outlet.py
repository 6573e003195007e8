"""Where a client's messages go out; the server has one for each kind of connection."""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

Document = tuple[bytes, bytes]
"""A message of JSON in two parts, which make one text: what differs from client to client, then what all are sent."""


class CloseCode(IntEnum):
    """Why the gateway ends a connection (RFC 6455 and its registry)."""

    POLICY = 1008
    """No right token, or it is over; too many connections or messages. The `error` before it has the `code`:
    `unauthorized`, `token_over`, `too_many_connections`, `too_many_messages`."""
    TOO_BIG = 1009
    """A message beyond `serve.limits.message_bytes`."""
    FAILED = 1011
    """A ping was not answered within `serve.idle_timeout_seconds`; or a defect in rtp, which its log has."""
    RESTART = 1012
    """The server ends; connect again."""
    TOO_SLOW = 1013
    """The client takes less than comes, and its queue is full."""


class Outlet(Protocol):
    """A connection, as the hub sees it. Nothing here waits: what cannot be sent at once is buffered."""

    @property
    def has_room(self) -> bool:
        """Whether the buffer is below its high-water mark; `Session.writable` tells when it is again."""

    def send(self, kind: str, document: Document, position: str | None) -> None:
        """Send a message of this type; `position` is where the client goes on from once it has it."""

    def close(self, code: CloseCode, reason: str) -> None:
        """End the connection, after what was sent."""
