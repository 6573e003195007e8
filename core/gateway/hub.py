"""The hub: between the one feed and the sessions of all clients."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import redis

from core.gateway import joining
from core.gateway.feed import StreamFeed
from core.gateway.history import History
from core.gateway.index import Index
from core.gateway.known_entities import KnownEntities
from core.gateway.messages import PROTOCOL_VERSION, message
from core.gateway.newest_values import NewestValues
from core.gateway.outlet import CloseCode
from core.gateway.session import Session
from core.gateway.snapshot import Snapshots
from core.gateway.stream_window import StreamWindow
from core.problem import LastingProblem
from rtp_client.cache.async_reader import AsyncCacheReader
from rtp_client.keys import STREAM
from rtp_client.redact import redact
from rtp_client.redis import async_redis_client
from rtp_client.stream.entries import parse
from rtp_client.stream.position import EMPTY_STREAM

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from core.gateway.history import PlaceLost
    from core.gateway.outlet import Outlet
    from core.gateway.placed_event import PlacedEvent
    from core.gateway.reach import Reach
    from core.gateway.subscription import Subscription
    from core.problem import Problem
    from rtp_client.stream.position import Position

_LOGGER = logging.getLogger("rtp.gateway")
_CONNECTIONS = 4
# Where Redis is, is for those who run rtp.
_UPSTREAM_LOST = {"state": "lost", "message": "Redis does not answer; what comes meanwhile is sent once it does"}


@dataclass(frozen=True)
class SessionLimits:
    """How much a client may ask for, and how much waits for it; the last two are held by the connection."""

    subscriptions: int
    queue: int
    message_bytes: int
    messages_per_second: float


@dataclass
class HubCounts:
    """What has come about since the hub began."""

    events: int = 0
    conflated: int = 0
    too_slow: int = 0
    resumed: int = 0
    reset: int = 0


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
        values: NewestValues | None = None,
        postgres_dsn: str | None = None,
        on_problem: Callable[[Problem], None] = lambda _: None,
    ) -> None:
        self._outage = LastingProblem("gateway", on_problem)
        self.limits = SessionLimits(subscriptions, queue, message_bytes, messages_per_second)
        self.counts = HubCounts()
        self.index = Index()
        self.window = StreamWindow(window, self.index)
        address = redact(redis_url)
        self._client = async_redis_client(
            redis_url, client_name="rtp-serve", timeout_seconds=timeout_seconds, max_connections=_CONNECTIONS
        )
        self.feed = StreamFeed(self._client, address, self, window=window, timeout_seconds=timeout_seconds)
        self.history = History(self._client, self.window)
        self.known = KnownEntities(self._client, address, postgres_dsn)
        self._values = values or _values_of_redis(redis_url)
        self.snapshots = Snapshots(self._values, self.known, self.index, self.window, self._newest_place, self.reached)
        self.sessions: dict[Session, None] = {}
        self._welcome = message(
            "welcome", version=PROTOCOL_VERSION, ping_seconds=ping_seconds, limits=asdict(self.limits)
        )
        self._begun = asyncio.Event()
        self._moved = asyncio.Event()
        self._is_upstream_lost = False
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reading = self._task(self.feed.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in list(self.sessions):
            session.close()
        self.snapshots.forget()
        while self._reading and not self._reading.done():
            # redis-py sends by asyncio.wait_for, which in Python 3.11 can swallow a cancellation.
            self._reading.cancel()
            await asyncio.wait([self._reading], timeout=0.05)
        await self.feed.hang_up()
        await self._client.aclose()
        await self._values.close()

    @property
    def is_live(self) -> bool:
        """Whether the feed reads from Redis."""
        return self.feed.is_live and self._reading is not None and not self._reading.done()

    @property
    def has_failed(self) -> bool:
        """Whether a defect has ended the feed: no event comes any more."""
        reading = self._reading
        return reading is not None and reading.done() and not reading.cancelled()

    async def begun_reading(self) -> None:
        """Wait until the feed has read for the first time."""
        await self._begun.wait()

    async def reached(self, order: tuple[int, int]) -> None:
        """Wait until the feed has read up to a place of the stream."""
        while self.window.head.order < order:
            await self._moved.wait()

    def connect(self, outlet: Outlet, reach: Reach) -> Session:
        """A new client; it is welcomed at once."""
        session = Session(self, outlet, reach)
        self.sessions[session] = None
        session.post_document("welcome", self._welcome)
        if self._is_upstream_lost:
            session.post("upstream", **_UPSTREAM_LOST)
        return session

    def forget(self, session: Session) -> None:
        """The session has ended."""
        self.sessions.pop(session, None)

    def begin(self, subscription: Subscription, resume: Position | None) -> None:
        """Bring a new subscription to the stream's end."""
        subscription.joining = self._task(joining.begin(self, subscription, resume), subscription)

    def begin_anew(self, subscription: Subscription, lost: PlaceLost) -> None:
        """Bring one there whose place is lost."""
        subscription.joining = self._task(joining.begin_anew(self, subscription, lost), subscription)

    def drain(self, after_ms: int, told: str) -> None:
        """Tell every client to connect again, each after a time of its own of up to so many milliseconds."""
        for session in list(self.sessions):
            wait_ms = int(random.uniform(0, after_ms))  # noqa: S311
            # Past what waits for a client that is slow: the connection ends before that could be sent.
            session.outlet.send("reconnect", message("reconnect", after_ms=wait_ms, message=told), None)

    # What the feed tells.

    def begun(self, position: Position) -> None:
        self.window.begin(position)

    def caught_up(self) -> None:
        self._begun.set()
        self.page_ended()

    def arrived(self, event: PlacedEvent) -> None:
        self.counts.events += 1
        self.known.note(event.owner)
        data = event.event.data
        # Copies: whoever is too slow is ended here, and leaves.
        for audience in tuple(self.window.add(event).audiences):
            if audience.live and audience.filter.fits(data):
                for subscription in tuple(audience.live):
                    subscription.session.offer(subscription, event)

    def passed(self, position: Position) -> None:
        self.window.pass_over(position)

    def page_ended(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def place_lost(self, lost: PlaceLost, position: Position) -> None:
        self.window.begin(position)
        self.history.forget()
        self.snapshots.forget()
        self.page_ended()
        for session in list(self.sessions):
            session.lose_place(lost)

    def upstream_lost(self, message: str) -> None:
        self._outage.tell(f"{message}; trying again")
        self._is_upstream_lost = True
        for session in list(self.sessions):
            session.post("upstream", **_UPSTREAM_LOST)

    def upstream_back(self) -> None:
        self._outage.is_over("Redis answers again")
        self._is_upstream_lost = False
        for session in list(self.sessions):
            session.post("upstream", state="back", message="Redis answers again")

    async def _newest_place(self) -> tuple[int, int]:
        """Where the stream ends now; its beginning, where Redis does not tell."""
        try:
            newest = parse(await self._client.xrevrange(STREAM, count=1))
        except redis.RedisError:
            newest = []
        return newest[0].order if newest else EMPTY_STREAM.order

    def _task(self, work: Coroutine[Any, Any, None], subscription: Subscription | None = None) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(lambda done: self._ended(done, subscription))
        return task

    def _ended(self, task: asyncio.Task[None], subscription: Subscription | None) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        _LOGGER.critical("a defect in rtp ended a part of the gateway", exc_info=error)
        for session in [subscription.session] if subscription else list(self.sessions):
            session.end(CloseCode.FAILED, "a defect in rtp; the server's log has it")


def _values_of_redis(redis_url: str) -> NewestValues:
    reader = AsyncCacheReader(redis_url, is_counted=False)
    return NewestValues(reader, reader)
