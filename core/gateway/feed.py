"""The one reader of the Redis stream, for all clients.

It waits for entries as `EventStream` does, and notices as that one does where the stream is another one, is gone, or no
longer reaches back to where the reader was.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Protocol

import redis

from core.gateway.history import PlaceLost
from core.gateway.placed_event import placed
from rtp_client.backoff import Backoff
from rtp_client.keys import STREAM
from rtp_client.redis import redis_unavailable
from rtp_client.stream.ends import is_missing, position_of
from rtp_client.stream.entries import BEGINNING, PAGE, REDELIVERY_REACH, StreamEntry, id_order, parse, text
from rtp_client.stream.gap import GapReason
from rtp_client.stream.position import EMPTY_STREAM, Position
from rtp_client.stream.recent_ids import RecentIds

if TYPE_CHECKING:
    from redis import asyncio as async_redis

    from core.gateway.placed_event import PlacedEvent

_BLOCK_MS = 250
_RETRY = Backoff(initial_seconds=0.1, max_seconds=5)


class FeedFollower(Protocol):
    """Who is told what the feed finds."""

    def begun(self, position: Position) -> None:
        """The feed goes on behind this position; what was before it is not known any more."""

    def caught_up(self) -> None:
        """The window is filled: what comes now is new."""

    def arrived(self, event: PlacedEvent) -> None:
        """A new event."""

    def passed(self, position: Position) -> None:
        """An entry that is no new event."""

    def page_ended(self) -> None:
        """All that was read is told."""

    def place_lost(self, lost: PlaceLost, position: Position) -> None:
        """The feed cannot go on where it was, and does so behind this position."""

    def upstream_lost(self, message: str) -> None:
        """Redis does not answer."""

    def upstream_back(self) -> None:
        """Redis answers again, and the feed is where it was."""


class StreamFeed:
    """Reads the stream from `window` entries before its end on, for as long as `run` runs."""

    def __init__(
        self, client: async_redis.Redis, address: str, follower: FeedFollower, *, window: int, timeout_seconds: float
    ) -> None:
        self.address = address
        self.is_live = False
        self.lag_seconds = 0.0
        """How long the newest entry was in Redis when it was read, by the two machines' clocks."""
        self._follower = follower
        self._window = window
        self._client = client
        self._block_ms = min(_BLOCK_MS, int(timeout_seconds * 500))  # well before the socket gives up
        self._seen = RecentIds(REDELIVERY_REACH)
        self._at: Position | None = None
        self._pool = client.connection_pool
        self._connection: Any = None

    async def run(self) -> None:
        """Read until cancelled; a connection that is lost is made again."""
        failures = 0
        while True:
            try:
                await self._begin() if self._at is None else await self._go_on(self._at)
                if failures:
                    self._follower.upstream_back()
                failures, self.is_live = 0, True
            except redis.RedisError as error:
                await self.hang_up()
                self.is_live = False
                failures += 1
                if failures == 1:
                    self._follower.upstream_lost(str(redis_unavailable(self.address, error)))
                await asyncio.sleep(_RETRY.wait_seconds(failures))

    async def hang_up(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self._pool.release(connection)

    async def _begin(self) -> None:
        """Fill the window with the newest entries."""
        newest: list[StreamEntry] = []
        edge = "+"
        while len(newest) <= self._window:
            page = parse(await self._client.xrevrange(STREAM, max=edge, count=PAGE))
            newest += page
            if len(page) < PAGE:
                break
            edge = f"({page[-1].id}"
        newest.reverse()
        floor = position_of(newest.pop(0)) if len(newest) > self._window else EMPTY_STREAM
        self._at = floor
        self._follower.begun(floor)
        self._take(newest)
        self._follower.caught_up()

    async def _go_on(self, at: Position) -> None:
        ends, page = await self._read(at)
        is_there = bool(page) and position_of(page[0]) == at
        if self._leads_on(ends, at, is_there=is_there):
            del page[: int(is_there)]
            self._take(page)
            if page:
                self.lag_seconds = max(0.0, time.time() - page[-1].order[0] / 1000)

    async def _read(self, at: Position) -> tuple[Any, list[StreamEntry]]:
        """Wait for entries, look at the stream's ends, and read: one round trip.

        The entry of the position is read again: a Redis that has lost its newest entries, as a replica may that takes
        over, has newer ones soon, but not that one. By the connection itself, as a pipeline costs twice the time.
        """
        if self._connection is None:
            self._connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        connection = self._connection
        commands = (
            ("XREAD", "COUNT", 1, "BLOCK", self._block_ms, "STREAMS", STREAM, at.entry),
            ("XINFO", "STREAM", STREAM),
            ("XRANGE", STREAM, at.entry, "+", "COUNT", PAGE + 1),
        )
        packed = (chunk for command in commands for chunk in connection.pack_command(*command))
        await connection.send_packed_command(b"".join(packed))
        answers: list[Any] = []
        for _ in commands:
            try:
                answers.append(await connection.read_response())
            except redis.ResponseError as error:
                answers.append(error)
        waited, ends, page = answers
        for answer in (waited, page):
            if isinstance(answer, Exception):
                raise answer
        parsers = self._client.response_callbacks
        if not isinstance(ends, Exception):
            ends = parsers["XINFO STREAM"](ends)
        return ends, parse(parsers["XRANGE"](page))

    def _leads_on(self, ends: Any, at: Position, *, is_there: bool) -> bool:
        """Whether what was read comes behind the position; the follower is told where the stream does not lead on."""
        if at.entry == BEGINNING:
            return True
        if isinstance(ends, Exception):
            if not is_missing(ends):
                raise ends
            self._lose(PlaceLost(GapReason.STREAM_LOST, "the stream is gone from Redis"), EMPTY_STREAM)
            return False
        newest = text(ends["last-generated-id"])
        oldest = parse([ends["first-entry"]] if ends["first-entry"] else [])
        was_replaced = bool(oldest) and oldest[0].order <= at.order and not is_there
        if id_order(newest) < at.order or was_replaced:
            last = parse([ends["last-entry"]] if ends["last-entry"] else [])
            place = position_of(last[0]) if last else Position("", 0, newest)
            self._lose(PlaceLost(GapReason.STREAM_LOST, "the stream in Redis is not the one that was followed"), place)
            return False
        if oldest and oldest[0].order > at.order:
            self._lose(PlaceLost(GapReason.TRIMMED, "events left Redis before the gateway had read them"), at)
        return True

    def _lose(self, lost: PlaceLost, position: Position) -> None:
        self._at = position
        self._follower.place_lost(lost, position)

    def _take(self, page: list[StreamEntry]) -> None:
        for entry in page:
            try:
                event = placed(entry)
            except ValueError:
                event = None
            if event is not None and self._seen.add(event.event.id):
                self._at = event.position
                self._follower.arrived(event)
            else:
                self._at = position_of(entry)
                self._follower.passed(self._at)
        if page:
            self._follower.page_ended()
