"""Would these settings work for a stream source? Everything that can be found out beforehand, without a change."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.errors import EventRejected, RtpError, SettingsError
from core.handler.description import (
    describe_shards,
    describe_table,
    dynamodb_errors,
    shard_iterator,
    stream_with_both_images,
)
from core.handler.filters import filter_patterns
from core.handler.images import watched_tables
from core.handler.items import TableItems
from core.handler.known import known_owners
from core.handler.services import stream_services
from core.inspection.unseen import Entity, find_unseen
from core.letters.boxes import failure_queue
from core.problem import counted
from core.routes.checking import find_useless
from core.routes.listening import find_unheard
from core.services.certificates import find_unverified
from core.settings.watches import Constant
from core.sinks.registry import SINK_TYPES, find_weaknesses
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.handler.description import DescribedTable
    from core.handler.images import Image, WatchedTable
    from core.handler.services import StreamServices
    from core.settings.dynamodb import AttributePath
    from core.settings.models import Settings
    from rtp_client.cache.item_table import Item

_ITEMS = 25
_SERVED = ("redis", "sqs")
"""The sinks that a stream source hands events to."""


@dataclass
class StreamFindings:
    """What was found; with problems, the settings do not work."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_streams(settings: Settings) -> StreamFindings:
    """Look at tables, streams, items, rights, Redis and queues."""
    found = StreamFindings()
    found.problems += _sink_problems(settings)
    try:
        with stream_services(settings) as services:
            with redis_errors(services.address):
                services.store.ping()
            for name, watches in watched_tables(settings).items():
                _check_table(services, name, watches, found)
            if not found.problems:
                found.warnings += _unseen(services)
    except RtpError as error:
        found.problems.append(str(error))
    found.problems = list(dict.fromkeys(found.problems))
    if not found.problems:
        found.warnings += [
            *find_useless(settings),
            *find_unheard(settings),
            *find_unverified(settings),
            *find_weaknesses(settings),
        ]
        found.warnings += _unserved(settings)
        if not settings.dynamodb.dead_letter_queue:
            found.notes.append("dynamodb.dead_letter_queue is not set: the newest 10,000 dead letters stay in Redis")
    return found


def _sink_problems(settings: Settings) -> Iterator[str]:
    for sink_type in SINK_TYPES:
        for destination in sink_type.destinations(settings) if sink_type.section in _SERVED else ():
            try:
                sink = destination.make()
                try:
                    sink.open()
                finally:
                    sink.close()
            except RtpError as error:
                yield str(error)
    if settings.dynamodb.dead_letter_queue:
        try:
            failure_queue(settings, settings.dynamodb.dead_letter_queue)
        except RtpError as error:
            yield str(error)


def _unserved(settings: Settings) -> Iterator[str]:
    for sink_type in SINK_TYPES:
        if sink_type.section not in _SERVED and list(sink_type.destinations(settings)):
            yield f"{sink_type.section}: no event of a stream source goes there"


def _check_table(services: StreamServices, name: str, watches: Sequence[WatchedTable], found: StreamFindings) -> None:
    try:
        described = describe_table(services.dynamodb, name)
        found.problems += _stream_problems(services, described)
        items = TableItems(services.dynamodb).page(name, limit=_ITEMS).items
    except RtpError as error:
        found.problems.append(str(error))
        return
    found.warnings += _filter_warnings(services, name)
    for watched in watches:
        if not services.settings.dynamodb.tables[watched.name].reorder:
            found.warnings += _key_warnings(described, watched)
        _check_items(described, watched, items, found)


def _stream_problems(services: StreamServices, described: DescribedTable) -> Iterator[str]:
    try:
        stream_with_both_images(described)
    except SettingsError as error:
        yield str(error)
    if described.stream_arn is None:
        return
    shards = describe_shards(services.streams, described.stream_arn)
    if shard := next((shard for shard in shards if shard.is_open), None):
        with dynamodb_errors(services.streams, "GetShardIterator", described.stream_arn):
            iterator = shard_iterator(services.streams, described.stream_arn, shard.shard_id, "LATEST")
        with dynamodb_errors(services.streams, "GetRecords", described.stream_arn):
            services.streams.get_records(ShardIterator=iterator, Limit=1)


def _filter_warnings(services: StreamServices, name: str) -> Iterator[str]:
    """Why Lambda's filters cannot hold what `where` says: its function would be deployed only without."""
    try:
        filter_patterns(services.settings, name)
    except SettingsError as error:
        yield str(error)


def _key_warnings(described: DescribedTable, watched: WatchedTable) -> Iterator[str]:
    """Where items of one entity are in several partitions, DynamoDB keeps no order among them."""
    if watched.is_history and described.keys and not _is_of_entity(watched, described.keys[0]):
        yield (
            f"watch {watched.name}: table {described.name} is partitioned by {described.keys[0]}, which names neither"
            " the entity nor its chain, so DynamoDB keeps the samples of one entity in no order. Set"
            f" dynamodb.tables.{watched.name}.reorder"
        )


def _is_of_entity(watched: WatchedTable, key: str) -> bool:
    parts = (part for part in (watched.entity, watched.chain) if not isinstance(part, Constant))
    return any(part[0] == key for part in parts)


def _check_items(
    described: DescribedTable, watched: WatchedTable, items: Sequence[Item], found: StreamFindings
) -> None:
    """What the watch would make of a few items."""
    now, where = datetime.now(UTC), f"watch {watched.name}: table {described.name}"
    read: list[Image] = []
    rejected: list[tuple[str, str]] = []
    for item in items:
        try:
            if image := watched.read(item, now):
                read.append(image)
        except EventRejected as error:
            rejected.append((str(error), json.dumps({name: item[name] for name in described.keys})))
    if rejected:
        of = f"{len(rejected)} of {counted(len(items), 'item')}"
        line = f"{where}: {of} would be dead letters; the first is {rejected[0][1]}: {rejected[0][0]}"
        (found.problems if len(rejected) == len(items) else found.warnings).append(line)
    elif not items:
        found.notes.append(f"{where} is empty: its attributes could not be checked")
    elif not read:
        found.warnings.append(f"{where}: `where` takes none of {counted(len(items), 'item')} that were looked at")
    elif watched.watch.has_value and all(image.sample.value is None for image in read):
        found.problems.append(
            f"{where}: attribute {_name(watched.value)}, the value, is in none of {counted(len(read), 'item')}."
            f" Name it under dynamodb.tables.{watched.name}.attributes"
        )
    for part in ("confidence", "provenance"):
        source = getattr(watched, part)
        if source and read and all(getattr(image.sample.testimony, part) is None for image in read):
            found.warnings.append(f"{where}: attribute {_name(source)}, the {part}, is in none of the items looked at")
    if watched.source and read and not any(image.sample.source for image in read):
        name = _name(watched.source)
        found.problems.append(f"{where}: attribute {name}, the source, is in none of {counted(len(read), 'item')}")


def _name(source: AttributePath | None) -> str:
    return ".".join(source or ())


def _unseen(services: StreamServices) -> list[str]:
    """What the settings name and no baseline is of."""
    settings = services.settings
    with redis_errors(services.address):
        owners = set(known_owners(services.store))
    seen = [
        Entity(watch, settings.watches[watch].kind, chain, entity)
        for watch, chain, entity in owners
        if watch in settings.dynamodb.tables
    ]
    return list(find_unseen(settings, seen))
