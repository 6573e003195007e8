"""An event at its place in the stream, decoded once and encoded once for all who are sent it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rtp_client.event import decode_event
from rtp_client.stream.position import Position

if TYPE_CHECKING:
    from rtp_client.event import Event
    from rtp_client.stream.entries import StreamEntry


@dataclass(frozen=True, slots=True)
class PlacedEvent:
    """`shared` is the end of each message with it: what does not differ from subscription to subscription."""

    position: Position
    order: tuple[int, int]
    event: Event
    text: str = field(repr=False)
    shared: bytes = field(repr=False)

    @property
    def owner(self) -> tuple[str, str, str]:
        """Whose it is: kind, chain and entity."""
        data = self.event.data
        return data.kind, data.chain, data.entity


def placed(entry: StreamEntry) -> PlacedEvent:
    """The event of a stream's entry. Raises ValueError where it is none that this version of rtp can read."""
    event = decode_event(entry.document)
    position = Position(event.log, entry.sequence, entry.id)
    text = str(position)
    shared = b'"position":"%b","event":%b}' % (text.encode(), entry.document)
    return PlacedEvent(position, entry.order, event, text, shared)
