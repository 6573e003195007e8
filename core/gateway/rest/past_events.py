"""The events behind a position: from the window, or from older pages of the stream."""

from __future__ import annotations

from heapq import nsmallest
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from core.gateway.history import PlaceLost
from core.gateway.index import Addressees
from core.gateway.rest.documents import EventPage, EventsReset
from rtp_client.stream.entries import REDELIVERY_REACH
from rtp_client.stream.position import EMPTY_STREAM
from rtp_client.stream.recent_ids import RecentIds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.gateway.hub import Hub
    from core.gateway.placed_event import PlacedEvent
    from core.gateway.reach import Reach
    from rtp_client.event_filter import EventFilter
    from rtp_client.stream.position import Position

_MOST_PAGES = 20
"""Of 500 entries each: so many are looked through for one answer."""


async def past_events(hub: Hub, wanted: EventFilter, reach: Reach, since: Position | None, limit: int) -> EventPage:
    """Up to so many; without a position none, and the position of now. Waits while Redis does not answer."""
    await hub.begun_reading()
    if since is None:
        return EventPage(events=[], position=str(hub.window.head), has_more=False, reset=None)
    lost = await hub.history.lost_place(since)
    audience = Addressees(wanted, reach)
    page = _Filling(hub, audience, EMPTY_STREAM if lost else since, limit)
    found = await page.fill()
    if found is not None:  # what was there a moment ago has left Redis
        lost, page = found, _Filling(hub, audience, EMPTY_STREAM, limit)
        await page.fill()
    reset = None if lost is None else EventsReset(reason=lost.reason, message=lost.told)
    return EventPage(events=page.events, position=str(page.after), has_more=page.has_more, reset=reset)


class _Filling:
    """`after` is how far it has come."""

    def __init__(self, hub: Hub, audience: Addressees, after: Position, limit: int) -> None:
        self.after = after
        self.has_more = True
        self.events: list[Any] = []
        self._hub, self._audience = hub, audience
        self._limit = limit
        self._seen = RecentIds(REDELIVERY_REACH)

    async def fill(self) -> PlaceLost | None:
        """Take events until the page is full, or the stream at its end; returns where its place is lost."""
        window = self._hub.window
        for _ in range(_MOST_PAGES):
            if window.head.order < self.after.order:  # another gateway was ahead of this one
                await self._hub.reached(self.after.order)
            if window.reaches(self.after):
                self._take(self._in_memory(), window.head)
                self.has_more = self.after != window.head
                return None
            page = await self._hub.history.page(self.after)
            if isinstance(page, PlaceLost):
                return page
            self._take((event for event in page.events if self._audience.wants(event)), page.last)
            if len(self.events) == self._limit:
                return None
        return None

    def _in_memory(self) -> list[PlacedEvent]:
        """The first events behind the position that the window has; most entities have none, and are not looked at."""
        order, fits, covers = self.after.order, self._audience.filter.fits, self._audience.covers
        topics = (topic for topic in self._hub.index.topics if topic.recent[-1].order > order and covers(topic.owner))
        events = (event for topic in topics for event in topic.recent if event.order > order and fits(event.event.data))
        return nsmallest(self._limit + 1, events, key=attrgetter("order"))

    def _take(self, events: Iterable[PlacedEvent], last: Position) -> None:
        """What there is room for, of what lies up to `last`."""
        new = (event for event in events if self._seen.add(event.event.id))
        for event in islice(new, self._limit - len(self.events)):
            self.events.append(Raw(b"{" + event.shared))
            self.after = event.position
        if len(self.events) < self._limit:
            self.after = last
