"""What the stream holds, further back than the window: pages that are read once for all who come back at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis

from core.gateway.placed_event import PlacedEvent, placed
from rtp_client.backoff import Backoff
from rtp_client.keys import STREAM
from rtp_client.stream.ends import is_missing, position_of
from rtp_client.stream.entries import BEGINNING, PAGE, StreamEntry, parse
from rtp_client.stream.gap import GapReason
from rtp_client.stream.position import EMPTY_STREAM, Position

if TYPE_CHECKING:
    from redis import asyncio as async_redis

    from core.gateway.stream_window import StreamWindow

_PAGES_KEPT = 8
_RETRY = Backoff(initial_seconds=0.1, max_seconds=5)


@dataclass(frozen=True)
class PlaceLost:
    """Why what lies between a position and the stream is not known; `told` is one line for people."""

    reason: GapReason
    told: str


@dataclass(frozen=True)
class HistoryPage:
    """The events from behind a position up to `last`, inclusive."""

    after: Position
    last: Position
    events: tuple[PlacedEvent, ...]


class History:
    """Waits while Redis does not answer."""

    def __init__(self, client: async_redis.Redis, window: StreamWindow) -> None:
        self._client = client
        self._window = window
        self._pages: deque[HistoryPage] = deque(maxlen=_PAGES_KEPT)
        self._turn = asyncio.Lock()

    def forget(self) -> None:
        """The stream is another one."""
        self._pages.clear()

    async def lost_place(self, position: Position) -> PlaceLost | None:
        """Whether the stream leads on from a position: None where it does.

        It does where it has the position's entry. An event of that log and sequence elsewhere in the stream would not
        do: in another Redis, or between two deliveries, others may have come behind it here that came before it there.
        """
        if position.is_oldest or (position != EMPTY_STREAM and self._window.holds(position)):
            return None
        ends, found = await self._look(position.entry, position.entry)
        if position == EMPTY_STREAM:
            was_trimmed = ends and ends.get("entries-added") != ends["length"]
            return PlaceLost(GapReason.TOO_OLD, "events have left Redis since") if was_trimmed else None
        if found and position_of(found[0]) == position:
            return None
        return self._why_lost(position, ends)

    async def page(self, after: Position) -> HistoryPage | PlaceLost:
        """The next events behind a position that the stream leads on from."""
        async with self._turn:
            for page in self._pages:
                if page.after.order <= after.order < page.last.order:
                    rest = tuple(event for event in page.events if event.order > after.order)
                    return HistoryPage(after, page.last, rest)
            return await self._read_page(after)

    async def _read_page(self, after: Position) -> HistoryPage | PlaceLost:
        is_beginning = after.order == EMPTY_STREAM.order
        ends, entries = await self._look(f"({BEGINNING if is_beginning else after.entry}", "+")
        oldest = _oldest(ends)
        if oldest is None or not entries:
            return PlaceLost(GapReason.STREAM_LOST, "the stream is gone from Redis")
        if oldest.order > after.order and not is_beginning:
            return PlaceLost(GapReason.TRIMMED, "events left Redis before they were read")
        page = HistoryPage(after, position_of(entries[-1]), tuple(_events(entries)))
        self._pages.append(page)
        return page

    async def _look(self, first: str, last: str) -> tuple[dict[str, Any], list[StreamEntry]]:
        """The stream's ends (nothing where there is no stream), then its entries in a range."""
        failures = 0
        while True:
            try:
                async with self._client.pipeline(transaction=False) as pipe:
                    pipe.xinfo_stream(STREAM)
                    pipe.xrange(STREAM, min=first, max=last, count=PAGE)
                    ends, entries = await pipe.execute(raise_on_error=False)
                if is_missing(ends):
                    ends = {}
                for answer in (ends, entries):
                    if isinstance(answer, Exception):
                        raise answer
                return ends, parse(entries)
            except redis.RedisError:  # the feed tells of it
                failures += 1
                await asyncio.sleep(_RETRY.wait_seconds(failures))

    def _why_lost(self, position: Position, ends: dict[str, Any]) -> PlaceLost:
        oldest, log = _oldest(ends), self._window.head.log
        if oldest is None:
            return PlaceLost(GapReason.STREAM_LOST, "the stream is gone from Redis")
        if position.log != log:
            return PlaceLost(
                GapReason.ANOTHER_LOG, f"the position is of log {position.log or '-'}, the stream of {log or '-'}"
            )
        if position.order < oldest.order:
            return PlaceLost(
                GapReason.TOO_OLD, f"the stream begins at sequence {oldest.sequence}; the position has left Redis"
            )
        return PlaceLost(GapReason.STREAM_LOST, "the stream in Redis is not the one that the position is of")


def _oldest(ends: dict[str, Any]) -> StreamEntry | None:
    first = ends.get("first-entry")
    return parse([first])[0] if first else None


def _events(entries: list[StreamEntry]) -> list[PlacedEvent]:
    found = []
    for entry in entries:
        try:
            found.append(placed(entry))
        except ValueError:  # none that this version of rtp can read
            continue
    return found
