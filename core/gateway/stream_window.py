"""The newest entries of the stream, in memory: who comes back soon costs Redis nothing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from heapq import nsmallest
from typing import TYPE_CHECKING, NamedTuple

from rtp_client.stream.position import EMPTY_STREAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.gateway.index import Addressees, Index, Topic
    from core.gateway.placed_event import PlacedEvent
    from rtp_client.stream.position import Position

_FEW_TOPICS = 16


class _Place(NamedTuple):
    """An entry; one without an event is a repeat, or none that this version of rtp can read."""

    order: tuple[int, int]
    position: Position
    event: PlacedEvent | None = None
    topic: Topic | None = None


class StreamWindow:
    """All entries behind `floor`, up to `head`."""

    def __init__(self, size: int, index: Index) -> None:
        self._size = size
        self._slack = size // 16 + 1  # a list's head is cut off at once, not entry by entry
        self._index = index
        self._places: list[_Place] = []
        self.floor: Position = EMPTY_STREAM
        self.head: Position = EMPTY_STREAM

    def __len__(self) -> int:
        return len(self._places)

    def begin(self, position: Position) -> None:
        """Hold nothing, and go on behind a position."""
        self._forget(len(self._places))
        self.floor = self.head = position

    def add(self, event: PlacedEvent) -> Topic:
        """Take in a new event; its topic, for whoever wants it."""
        topic = self._index.topic(event.owner)
        topic.recent.append(event)
        self._add(_Place(event.order, event.position, event, topic))
        return topic

    def pass_over(self, position: Position) -> None:
        """Take note of an entry that nobody is sent."""
        self._add(_Place(position.order, position))

    def holds(self, position: Position) -> bool:
        """Whether all behind that very position is here."""
        if position == self.floor:
            return True
        at = bisect_left(self._places, position.order, key=_order)
        return at < len(self._places) and self._places[at].position == position

    def reaches(self, position: Position) -> bool:
        """Whether all behind a position that the stream leads on from is here."""
        return position.order >= self.floor.order

    def after(self, position: Position, audience: Addressees, limit: int) -> list[PlacedEvent]:
        """The first events behind a position that an audience wants, in the stream's order."""
        if len(audience.topics) <= _FEW_TOPICS:
            return nsmallest(limit, _of_topics(audience, position.order), key=lambda event: event.order)
        found: list[PlacedEvent] = []
        for at in range(bisect_right(self._places, position.order, key=_order), len(self._places)):
            place = self._places[at]
            if place.event and place.topic in audience.topics and audience.filter.fits(place.event.event.data):
                found.append(place.event)
                if len(found) == limit:
                    break
        return found

    def _add(self, place: _Place) -> None:
        self._places.append(place)
        self.head = place.position
        if len(self._places) >= self._size + self._slack:
            self._forget(self._slack)

    def _forget(self, count: int) -> None:
        for place in self._places[:count]:
            if place.topic is not None:
                place.topic.recent.popleft()
                if not place.topic.recent:
                    self._index.drop(place.topic)
        if count:
            self.floor = self._places[count - 1].position
        del self._places[:count]


def _order(place: _Place) -> tuple[int, int]:
    return place.order


def _of_topics(audience: Addressees, order: tuple[int, int]) -> Iterator[PlacedEvent]:
    for topic in audience.topics:
        for event in reversed(topic.recent):
            if event.order <= order:
                break
            if audience.filter.fits(event.event.data):
                yield event
