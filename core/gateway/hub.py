"""The hub: between the one feed and the sessions of all clients."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Self

from core.gateway.feed import Feed
from core.gateway.index import Index
from core.gateway.messages import PROTOCOL_VERSION
from core.gateway.session import Session
from core.gateway.window import Window

if TYPE_CHECKING:
    from core.gateway.messages import ResetReason
    from core.gateway.outlet import Outlet
    from core.gateway.placed_event import PlacedEvent
    from core.gateway.reach import Reach
    from rtp_client.stream.position import Position


class Hub:
    """`async with` begins and ends the feed. All of it lives in one event loop."""

    def __init__(
        self,
        redis_url: str,
        *,
        window: int,
        queue: int,
        subscriptions: int,
        ping_seconds: float,
        message_bytes: int,
        messages_per_second: float,
        timeout_seconds: float = 5,
    ) -> None:
        self.queue = queue
        self.most_subscriptions = subscriptions
        self.index = Index()
        self.window = Window(window, self.index)
        self.feed = Feed(redis_url, self, window=window, timeout_seconds=timeout_seconds)
        self.sessions: dict[Session, None] = {}
        self._begun = asyncio.Event()
        self._upstream: str | None = None
        self._welcome: dict[str, Any] = {
            "version": PROTOCOL_VERSION,
            "ping_seconds": ping_seconds,
            "limits": {
                "subscriptions": subscriptions,
                "queue": queue,
                "message_bytes": message_bytes,
                "messages_per_second": messages_per_second,
            },
        }
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self.feed.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._reading and not self._reading.done():
            # redis-py sends by asyncio.wait_for, which in Python 3.11 can swallow a cancellation.
            self._reading.cancel()
            await asyncio.wait([self._reading], timeout=1)
        for session in list(self.sessions):
            session.close()
        await self.feed.close()

    @property
    def is_live(self) -> bool:
        """Whether the feed reads from Redis."""
        return self.feed.is_live

    async def begun_reading(self) -> None:
        """Wait until the feed has read for the first time."""
        await self._begun.wait()

    def connect(self, outlet: Outlet, reach: Reach) -> Session:
        """A new client; it is welcomed at once."""
        session = Session(self, outlet, reach)
        self.sessions[session] = None
        session.post("welcome", **self._welcome)
        if self._upstream is not None:
            session.post("upstream", state="lost", message=self._upstream)
        return session

    def forget(self, session: Session) -> None:
        """The session has ended."""
        self.sessions.pop(session, None)

    def drain(self, after_ms: int, message: str) -> None:
        """Tell every client to connect again, each after a time of its own of up to so many milliseconds."""
        for session in list(self.sessions):
            session.post("reconnect", after_ms=int(random.uniform(0, after_ms)), message=message)  # noqa: S311

    # What the feed tells.

    def begun(self, position: Position) -> None:
        self.window.begin(position)

    def caught_up(self) -> None:
        self._begun.set()

    def arrived(self, event: PlacedEvent) -> None:
        for audience in self.window.add(event).audiences:
            if audience.live and audience.filter.fits(event.event.data):
                for subscription in list(audience.live):
                    subscription.session.offer(subscription, event)

    def passed(self, position: Position) -> None:
        self.window.pass_over(position)

    def place_lost(self, reason: ResetReason, message: str, position: Position) -> None:
        self.window.begin(position)
        for session in list(self.sessions):
            for name in session.subscriptions:
                session.post("reset", id=name, reason=reason, message=message, position=str(position))

    def upstream_lost(self, message: str) -> None:
        self._upstream = message
        self._tell_all("lost", message)

    def upstream_back(self) -> None:
        self._upstream = None
        self._tell_all("back", "Redis answers again")

    def _tell_all(self, state: str, message: str) -> None:
        for session in list(self.sessions):
            session.post("upstream", state=state, message=message)
