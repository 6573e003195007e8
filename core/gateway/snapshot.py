"""The values as they are, read at most once a second for all who ask, and joined with the events that follow.

A snapshot's `start` is where the feed was when its reading began: whoever goes on from there misses nothing. What was
read may be newer than that, so events behind `start` can be in it already. They are those up to the entry's sequence,
of the entry's log; of another log, those up to the entry's own event. The snapshot is handed out when the feed has read
all that could be in it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from msgspec.json import Encoder

from core.gateway.placed_event import PlacedEvent
from core.gateway.unheard import note_failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from core.gateway.index import Addressees, Index
    from core.gateway.known_entities import KnownEntities
    from core.gateway.newest_values import NewestValues
    from core.gateway.reach import Owner
    from core.gateway.stream_window import StreamWindow
    from rtp_client.cache.entry import Entry
    from rtp_client.stream.position import Position

PAGE_ENTRIES = 200
_CHUNK = 100  # entries that are read, and encoded, in one turn of the loop
_FRESH_SECONDS = 1.0
_SHARE = 9  # so many times longer than its reading took a snapshot is handed out: reading takes a tenth of the time
_NOWHERE = (0, 0)
_ENCODER = Encoder()


class HeldEntry(NamedTuple):
    """An entity's value in a snapshot: what tells which events are in it, and the entry as JSON."""

    owner: Owner
    log: str
    sequence: int
    event_id: str
    document: bytes


class Snapshot:
    """Being read, then read."""

    def __init__(self, start: Position) -> None:
        self.start = start
        self.fresh_until: float | None = None
        self.reading: asyncio.Task[None]
        self._held: dict[Owner, HeldEntry] = {}
        self._by_entity: dict[str, list[HeldEntry]] = {}
        self._up_to: dict[Owner, tuple[int, int]] = {}

    def complete(self, entries: Iterable[HeldEntry], index: Index) -> None:
        """Take what was read, once the feed has read as far."""
        for entry in sorted(entries, key=lambda entry: entry.owner):
            self._held[entry.owner] = entry
            self._by_entity.setdefault(entry.owner[2].casefold(), []).append(entry)
        for topic in index.topics:
            if held := self._held.get(topic.owner):
                places = (event.order for event in topic.recent if event.event.id == held.event_id)
                self._up_to[topic.owner] = max(places, default=_NOWHERE)

    def has(self, event: PlacedEvent) -> bool:
        """Whether an event behind `start` is in the value that was read."""
        held = self._held.get(event.owner)
        return held is not None and (
            (event.position.log == held.log and event.position.sequence <= held.sequence)
            or event.order <= self._up_to.get(held.owner, _NOWHERE)
        )

    async def entries_for(self, audience: Addressees) -> list[HeldEntry]:
        """What an audience may and wants to see, by kind, chain and entity. Raises ServiceUnavailable."""
        await asyncio.shield(self.reading)
        names = audience.entities
        if not names.is_exact:
            return [entry for entry in self._held.values() if audience.covers(entry.owner)]
        named = (entry for name in names.exact for entry in self._by_entity.get(name, ()))
        return sorted(entry for entry in named if audience.covers(entry.owner))


class Snapshots:
    """Reads them, one at a time."""

    def __init__(
        self,
        values: NewestValues,
        known: KnownEntities,
        index: Index,
        window: StreamWindow,
        newest_place: Callable[[], Awaitable[tuple[int, int]]],
        reached: Callable[[tuple[int, int]], Awaitable[None]],
    ) -> None:
        self._values = values
        self._known = known
        self._index = index
        self._window = window
        self._newest_place = newest_place
        self._reached = reached
        self._latest: Snapshot | None = None

    def ask(self) -> Snapshot:
        """The one that is being read, or was a moment ago; else a new one."""
        latest = self._latest
        if latest is None or (latest.fresh_until is not None and latest.fresh_until < _now()):
            latest = self._latest = Snapshot(self._window.head)
            latest.reading = asyncio.create_task(self._read(latest))
            latest.reading.add_done_callback(note_failure)
        return latest

    def forget(self) -> None:
        """The feed has lost its place: nothing follows what was read."""
        if self._latest is not None:
            self._latest.reading.cancel()
            self._latest = None

    async def _read(self, snapshot: Snapshot) -> None:
        began, handed_out_seconds = _now(), _FRESH_SECONDS
        try:
            entries: list[HeldEntry] = []
            owners = await self._known.owners()
            for kind, pairs in _by_kind(owner for owner in owners if self._values.can_tell_of(owner[0])).items():
                for start in range(0, len(pairs), _CHUNK):
                    found = await self._values.get_many(kind, pairs[start : start + _CHUNK])
                    entries += [_held(entry) for entry in found.values() if entry is not None]
                    await asyncio.sleep(0)
            await self._reached(await self._newest_place())
            snapshot.complete(entries, self._index)
            handed_out_seconds = max(_FRESH_SECONDS, _SHARE * (_now() - began))
        finally:
            snapshot.fresh_until = _now() + handed_out_seconds


def _held(entry: Entry) -> HeldEntry:
    document = entry.as_json()
    event_id = document["event"]["id"] if document["event"] else ""
    owner = (entry.kind, entry.chain, entry.entity)
    return HeldEntry(owner, document["log"], document["sequence"], event_id, _ENCODER.encode(document))


def _by_kind(owners: Iterable[Owner]) -> dict[str, list[tuple[str, str]]]:
    pairs: dict[str, list[tuple[str, str]]] = {}
    for kind, chain, entity in owners:
        pairs.setdefault(kind, []).append((chain, entity))
    return pairs


def snapshot_page(entries: Sequence[HeldEntry], *, is_last: bool) -> bytes:
    """The end of the message of a page."""
    documents = b",".join(entry.document for entry in entries)
    return b'"entries":[%b],"done":%b}' % (documents, b"true" if is_last else b"false")


def _now() -> float:
    return asyncio.get_running_loop().time()
