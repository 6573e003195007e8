"""One subscription of a session: whom it is for, and how far it is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.gateway.messages import event_head

if TYPE_CHECKING:
    import asyncio

    from core.gateway.index import Addressees
    from core.gateway.outlet import Document
    from core.gateway.placed_event import PlacedEvent
    from core.gateway.session import Session
    from rtp_client.live.wanted import Slow


class Subscription:
    """`is_told` once its client knows where it begins; `joining` brings it to the stream's end."""

    __slots__ = ("audience", "id", "is_told", "joining", "n", "session", "slow", "wants_snapshot")

    def __init__(self, session: Session, name: str, audience: Addressees, *, slow: Slow, wants_snapshot: bool) -> None:
        self.session = session
        self.id = name
        self.audience = audience
        self.slow = slow
        self.wants_snapshot = wants_snapshot
        self.is_told = False
        self.joining: asyncio.Task[None] | None = None
        self.n = 0

    def document(self, event: PlacedEvent, skipped: int = 0) -> Document:
        """The message of the next event, counted with those that were left out for it."""
        self.n += 1 + skipped
        return event_head(self.id, self.n, skipped), event.shared

    def pause(self) -> None:
        """Take part in nothing any more, until it is brought to the stream's end again."""
        self.audience.live.pop(self, None)
        if self.joining is not None:
            self.joining.cancel()
            self.joining = None
