"""Looking at a stream source: DynamoDB says which shards there are, Redis what was done of them and what waits."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.errors import RtpError, SinkUnavailable
from core.handler.alert_store import AlertStore
from core.handler.checkpoints import FINISHED, Checkpoints
from core.handler.description import describe_shards, describe_table, dynamodb_errors, shard_iterator
from core.handler.images import watched_tables
from core.handler.known import known_owners
from core.handler.memory import microseconds, moment_at
from core.handler.progress import read_progress, read_tick
from core.inspection.stream_picture import (
    FedWatch,
    LetterBox,
    ShardFigures,
    StreamInspection,
    TableFigures,
    Ticks,
)
from core.letters.boxes import open_boxes
from core.redis_names import BASELINES_DUE
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.handler.description import DescribedTable
    from core.handler.progress import ShardProgress
    from core.handler.services import StreamServices

_MOST_LOOKED_INTO = 20
"""Shards of a table: each is two requests, and a shard takes five a second from all of its readers."""


def inspect_streams(services: StreamServices) -> StreamInspection:
    """The picture. A table that cannot be described has its problem in it. Raises ServiceUnavailable without Redis."""
    now = datetime.now(UTC)
    watched = watched_tables(services.settings)
    with redis_errors(services.address):
        return StreamInspection(
            at=now,
            redis=services.address,
            tables=[_table(services, name, [one.name for one in some]) for name, some in watched.items()],
            watches=list(_watches(services)),
            pending=AlertStore(services.store, services.address).pending(),
            ticks=_ticks(services, now),
            letters=list(_letters(services)),
            rebuilding=sorted(services.baselines.rebuilding()),
        )


def _table(services: StreamServices, name: str, watches: list[str]) -> TableFigures:
    done = {one.shard: one for one in read_progress(services.store, name, address=services.address)}
    try:
        described = describe_table(services.dynamodb, name)
        shards = list(_shards(services, described, done))
    except RtpError as error:
        left = [_shard(shard, "unknown", None, None, progress) for shard, progress in done.items()]
        return TableFigures(name, watches, None, None, None, left, str(error))
    problem = None if described.stream_arn else "the table has no stream"
    return TableFigures(name, watches, described.status, described.view_type, described.items, shards, problem)


def _shards(
    services: StreamServices, described: DescribedTable, done: dict[str, ShardProgress]
) -> Iterator[ShardFigures]:
    """The shards that there are, and those that something was done of, each once."""
    arn = described.stream_arn
    shards = describe_shards(services.streams, arn) if arn else []
    checkpoints = Checkpoints(services.store).read(arn) if arn else {}
    looked_into = 0
    for shard in shards:
        checkpoint, waiting_since = checkpoints.get(shard.shard_id), None
        if arn and checkpoint not in (None, FINISHED) and looked_into < _MOST_LOOKED_INTO:
            looked_into += 1
            waiting_since = _waiting_since(services, arn, shard.shard_id, str(checkpoint))
        state = "open" if shard.is_open else "closed"
        yield _shard(shard.shard_id, state, checkpoint, waiting_since, done.pop(shard.shard_id, None))
    for name, progress in done.items():
        yield _shard(name, "unknown", None, None, progress)


def _shard(
    shard: str, state: str, checkpoint: str | None, waiting_since: datetime | None, progress: ShardProgress | None
) -> ShardFigures:
    lag = None if progress is None else progress.lag_seconds
    return ShardFigures(shard, state, checkpoint, waiting_since, lag, progress)


def _waiting_since(services: StreamServices, stream_arn: str, shard_id: str, checkpoint: str) -> datetime | None:
    """When the first record behind the checkpoint came."""
    client = services.streams
    with dynamodb_errors(client, "GetRecords", stream_arn):
        iterator = shard_iterator(client, stream_arn, shard_id, "AFTER_SEQUENCE_NUMBER", checkpoint)
        records = client.get_records(ShardIterator=iterator, Limit=1)["Records"]
    created = records[0]["dynamodb"].get("ApproximateCreationDateTime") if records else None
    return created.astimezone(UTC) if created is not None else None


def _watches(services: StreamServices) -> Iterator[FedWatch]:
    counts = Counter(watch for watch, _, _ in known_owners(services.store))
    for name, table in services.settings.dynamodb.tables.items():
        watch = services.settings.watches[name]
        shape = watch.shape if watch.has_value else "latest"
        yield FedWatch(name, watch.kind, table.table, shape, counts[name])


def _ticks(services: StreamServices, now: datetime) -> Ticks:
    store = services.store
    until = microseconds(now)
    oldest: Any = store.zrangebyscore(BASELINES_DUE, "-inf", until, start=0, num=1, withscores=True)
    return Ticks(
        last_at=read_tick(store, address=services.address),
        due=int(store.zcount(BASELINES_DUE, "-inf", until)),
        oldest_due_at=moment_at(int(oldest[0][1])) if oldest else None,
        scheduled=int(store.zcard(BASELINES_DUE)),
    )


def _letters(services: StreamServices) -> Iterator[LetterBox]:
    problems: list[str] = []
    for box in open_boxes(services.settings, services.store, services.address, problems):
        try:
            yield LetterBox(box.place, box.count(), None)
        except SinkUnavailable as error:
            yield LetterBox(box.place, None, str(error))
    yield from (LetterBox("", None, problem) for problem in problems)
