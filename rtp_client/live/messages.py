"""What a client is told: events, and where they begin, are missing, or have a snapshot before them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Raw, Struct
from msgspec import field as named_field

from rtp_client.event import decode_event
from rtp_client.stream.gap import Gap

if TYPE_CHECKING:
    from rtp_client.cache.entry import Entry
    from rtp_client.event import Event
    from rtp_client.stream.position import Position


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """An event. `skipped` older ones of the same entities were left out before it, as this client reads too slowly."""

    event: Event
    position: Position
    """Where to resume behind it."""
    skipped: int = 0
    document: bytes = field(default=b"", repr=False, compare=False)
    """The event as it was published."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """Behind this position nothing is missed. `is_resumed` says that it is the one that was asked for."""

    position: Position
    is_resumed: bool


class LiveEntry(Struct, frozen=True, kw_only=True):
    """What is known of one entity, as `rtp_client.Entry` explains it."""

    kind: str
    chain: str
    entity: str
    value: str | None
    fields: dict[str, Any] | None
    sequence: int
    log: str
    as_of: datetime
    source: str
    is_stale: bool
    is_deleted: bool
    published: Raw = named_field(name="event")

    @classmethod
    def of(cls, entry: Entry) -> LiveEntry:
        """An entry of the cache."""
        return cls(
            kind=entry.kind,
            chain=entry.chain,
            entity=entry.entity,
            value=entry.value,
            fields=entry.fields,
            sequence=entry.sequence,
            log=entry.log,
            as_of=entry.as_of,
            source=str(entry.source),
            is_stale=entry.is_stale,
            is_deleted=entry.is_deleted,
            published=Raw(entry.event_json or b"null"),
        )

    @property
    def event(self) -> Event | None:
        """The newest event; None where the value came from the table. Raises ValueError where a newer rtp wrote it."""
        document = bytes(self.published)
        return None if document == b"null" else decode_event(document)


@dataclass(frozen=True, slots=True)
class SnapshotPage:
    """Some of the current values. The first page voids what was known, with the last one the snapshot is complete."""

    entries: tuple[LiveEntry, ...]
    is_first: bool
    is_last: bool


Message = LiveEvent | SnapshotPage | Gap | Subscribed
