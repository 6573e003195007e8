"""The newest entries of the stream, in memory: who comes back soon costs Redis nothing."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from rtp_client.stream.position import EMPTY_STREAM

if TYPE_CHECKING:
    from core.gateway.index import Index, Topic
    from core.gateway.placed_event import PlacedEvent
    from rtp_client.stream.position import Position

_SLACK = 256


class StreamWindow:
    """All entries behind `floor`, up to `head`; the events themselves are in their topics.

    An entry without a topic is a repeat of an event, or none that this version of rtp can read.
    """

    def __init__(self, size: int, index: Index) -> None:
        self._size = size
        self._index = index
        self._places: list[tuple[Position, Topic | None]] = []
        self.floor: Position = EMPTY_STREAM
        self.head: Position = EMPTY_STREAM

    def __len__(self) -> int:
        return len(self._places)

    def begin(self, position: Position) -> None:
        """Hold nothing, and go on behind a position."""
        self._forget(len(self._places))
        self.floor = self.head = position

    def add(self, placed: PlacedEvent) -> Topic:
        """Take in a new event; its topic, for whoever wants it."""
        topic = self._index.topic(placed.owner)
        topic.recent.append(placed)
        self._add(placed.position, topic)
        return topic

    def pass_over(self, position: Position) -> None:
        """Take note of an entry that nobody is sent."""
        self._add(position, None)

    def holds(self, position: Position) -> bool:
        """Whether all behind that very position is here."""
        if position == self.floor:
            return True
        at = bisect_left(self._places, position.order, key=lambda place: place[0].order)
        return at < len(self._places) and self._places[at][0] == position

    def reaches(self, position: Position) -> bool:
        """Whether all behind a position that the stream leads on from is here."""
        return position.order >= self.floor.order

    def _add(self, position: Position, topic: Topic | None) -> None:
        self._places.append((position, topic))
        self.head = position
        if len(self._places) >= self._size + _SLACK:
            self._forget(_SLACK)

    def _forget(self, count: int) -> None:
        for _, topic in self._places[:count]:
            if topic is not None:
                topic.recent.popleft()
                if not topic.recent:
                    self._index.drop(topic)
        if count:
            self.floor = self._places[count - 1][0]
        del self._places[:count]
