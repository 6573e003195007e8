"""Judging what a table holds now, where the records that told of it are gone.

An item is judged only where no newer record of its entity was judged, and where item and memory stay the same for a
while: a record that is still on its way is judged by whoever reads the stream, and not a second time here. So whoever
reads the stream must have caught up. The baseline's version is the proof that nobody judged meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.detection.state import Sample
from core.detection.verdict import same
from core.errors import EventRejected
from core.handler.change import Change
from core.handler.description import describe_table
from core.handler.images import watched_tables
from core.handler.items import TableItems
from core.handler.known import known_owners
from core.handler.memory import Memory
from core.redis_names import baseline_key, baseline_owner
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.handler.batch import BatchProcessor
    from core.handler.description import DescribedTable
    from core.handler.images import Image, WatchedTable
    from core.handler.services import StreamServices
    from rtp_client.cache.item_table import Item

_AT_ONCE = 500
SETTLE_SECONDS = 10.0


@dataclass
class TableLook:
    """What a look came to: how many items were read, what was judged, and what cannot be known."""

    items: int = 0
    judged: int = 0
    events: int = 0
    unknown: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)


def look_at_table(
    services: StreamServices,
    processor: BatchProcessor,
    table: str,
    until: datetime,
    *,
    wait: Callable[[float], object],
) -> TableLook:
    """Judge what changed in a table until a moment, and that no record can tell any more.

    `wait` lets seconds pass. Raises ServiceUnavailable and SettingsError.
    """
    described, look = describe_table(services.dynamodb, table), TableLook()
    for watched in watched_tables(services.settings).get(table, ()):
        if not watched.watch.has_value:
            look.unknown.append(f"watch {watched.name}: what its items were before, so no change of metadata is told")
            continue
        found = _found(services, described, watched, look)
        if watched.is_history:
            _judge(processor, _samples(services, watched, found), look)
            look.unknown.append(
                f"watch {watched.name}: samples that are older than the newest judged, and those deleted"
            )
            continue
        first = _candidates(services, watched, found, until)
        if first:
            wait(SETTLE_SECONDS)
            again = _candidates(services, watched, _found(services, described, watched, None), until)
            settled = {key: change for key, change in again.items() if _is_same(change, first.get(key))}
            _judge(processor, [[change] for change in settled.values()], look)
            if moved := len(first.keys() - settled.keys()):
                look.unknown.append(f"watch {watched.name}: {moved} of its entities moved meanwhile: the stream tells")
        look.unknown.append(f"watch {watched.name}: values between the last one judged and those of now")
    return look


def _found(
    services: StreamServices, described: DescribedTable, watched: WatchedTable, look: TableLook | None
) -> dict[tuple[str, str], list[Change]]:
    """What the watch makes of the table's items, by entity, as samples that no record tells of."""
    reader, now = TableItems(services.dynamodb), datetime.now(UTC)
    found: dict[tuple[str, str], list[Change]] = {}
    unread, after = Counter[str](), None
    while True:
        page = reader.page(described.name, after=after)
        for item in page.items:
            try:
                if image := watched.read(item, now):
                    found.setdefault(image.key, []).append(_found_change(described, watched, item, image))
            except EventRejected as error:
                unread[str(error)] += 1
        if look is not None:
            look.items += len(page.items)
        after = page.last_key
        if after is None:
            break
    if look is not None:
        look.unknown += [f"watch {watched.name}: {number} items: {why}" for why, number in unread.items()]
    return found


def _found_change(described: DescribedTable, watched: WatchedTable, item: Item, image: Image) -> Change:
    """A sample that no record tells of; its id is made of what the item holds."""
    digest = hashlib.blake2s(json.dumps(item, sort_keys=True).encode(), digest_size=15).hexdigest()
    keys = {name: item[name] for name in described.keys}
    return Change(watched.name, image.key, "sample", f"item-{digest}-{watched.name}", image.sample, item=keys)


def _memories(services: StreamServices, watched: WatchedTable) -> dict[tuple[str, str], Memory]:
    with redis_errors(services.address):
        keys = [baseline_key(*owner) for owner in known_owners(services.store, watched.name)]
    found: dict[tuple[str, str], Memory] = {}
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        for key, memory in zip(some, services.baselines.load(some), strict=True):
            found[baseline_owner(key)[1:]] = memory
    return found


def _candidates(
    services: StreamServices, watched: WatchedTable, found: Mapping[tuple[str, str], list[Change]], until: datetime
) -> dict[tuple[str, str], Change]:
    """The entities whose item, or whose lack of one, nobody has judged, and of which no newer record was judged.

    What came until that moment was in the table when it was read; the memories are read behind that. So a memory that
    knows more than the item knows a newer record.
    """
    candidates: dict[tuple[str, str], Change] = {}
    memories = _memories(services, watched)
    for key, changes in found.items():
        memory, change = memories.pop(key, Memory()), changes[-1]
        state = memory.state
        if state is None:
            # Of an item that no record told of it is not known whether it is new: it becomes a baseline.
            candidates[key] = replace(change, before=change.sample, of_version=memory.version)
        elif state.sample_at <= until and not same(change.sample.value, state.last_value):
            candidates[key] = replace(change, of_version=memory.version)
    for key, memory in memories.items():
        state = memory.state
        if state is not None and state.gone_at is None and state.sample_at <= until:
            candidates[key] = _deletion(watched, key, memory)
    return candidates


def _deletion(watched: WatchedTable, key: tuple[str, str], memory: Memory) -> Change:
    assert memory.state is not None
    now = datetime.now(UTC)
    event_id = f"gone-{memory.version}-{hashlib.blake2s(repr(key).encode(), digest_size=8).hexdigest()}-{watched.name}"
    sample = Sample(memory.state.last_value, now, memory.state.testimony._replace(changed_at=now), now)
    return Change(watched.name, key, "deleted", event_id, sample, of_version=memory.version)


def _samples(
    services: StreamServices, watched: WatchedTable, found: Mapping[tuple[str, str], list[Change]]
) -> list[list[Change]]:
    """The samples behind the newest one judged of each entity, in order; of one without a memory, only its newest."""
    memories = _memories(services, watched)
    samples = []
    for key, changes in found.items():
        state = memories.get(key, Memory()).state
        in_order = sorted(changes, key=lambda change: change.sample.at)
        samples.append([one for one in in_order if one.sample.at > state.sample_at] if state else in_order[-1:])
    return [some for some in samples if some]


def _judge(processor: BatchProcessor, entities: Sequence[Sequence[Change]], look: TableLook) -> None:
    for start in range(0, len(entities), _AT_ONCE):
        some = [change for changes in entities[start : start + _AT_ONCE] for change in changes]
        outcome = processor.judge(some)
        look.judged += len(some) - outcome.notes["superseded"]
        look.events += len(outcome.events)
        look.causes += outcome.causes


def _is_same(change: Change, earlier: Change | None) -> bool:
    """Whether item and memory were the same in two looks."""
    if earlier is None or (change.what, change.of_version) != (earlier.what, earlier.of_version):
        return False
    return change.what == "deleted" or same(change.sample.value, earlier.sample.value)
