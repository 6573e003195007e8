"""What was done of each stream, kept in Redis for `rtp status`: written once a batch, by Lambda and poller alike.

Records tell a Lambda nothing of their shard, so what it has done of a table is one progress.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import redis

from core.handler.record import table_of
from core.redis_names import TICKED, progress_key, progress_pattern, progress_shard
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.handler.outcome import BatchOutcome

LAMBDA = "lambda"
_KEPT = timedelta(days=7)
_PASSED_OVER = ("elsewhere", "expired")
_ASIDE = ("future", "late", "rejected", "out_of_order")
_COUNTS = ("batches", "records", "events", "dead_letters", *_ASIDE, *_PASSED_OVER, "failed")
_LONGEST_CAUSE = 500


@dataclass(frozen=True)
class ShardProgress:
    """What was done of a shard, or by the Lambda of a whole table (`shard` is `lambda`).

    `arrived_at` is when the newest record that is done came into the stream, `handled_at` when that was; of the batches
    that `failed`, the newest has `failed_at` and `cause`. Passed over are records that no watch takes, as their items
    are others (`elsewhere`) or their time to live was over (`expired`). Counts begin anew after a week without a batch.
    """

    shard: str
    batches: int
    records: int
    events: int
    dead_letters: int
    future: int
    late: int
    rejected: int
    out_of_order: int
    elsewhere: int
    expired: int
    failed: int
    sequence_number: str | None
    arrived_at: datetime | None
    handled_at: datetime | None
    failed_at: datetime | None
    cause: str | None

    @property
    def lag_seconds(self) -> float | None:
        """How long the newest record had been in the stream when it was done; DynamoDB tells that to the second."""
        if self.arrived_at is None or self.handled_at is None:
            return None
        return max(0.0, (self.handled_at - self.arrived_at).total_seconds())


class Progress:
    """Notes batches and ticks. It never fails one: without Redis there would be none."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def note_batch(self, records: Sequence[Mapping[str, Any]], done: int, outcome: BatchOutcome, *, shard: str) -> None:
        """The batch is over, and its first `done` records need not come again."""
        now = datetime.now(UTC)
        counts = dict.fromkeys(_COUNTS, 0) | {"batches": 1, "records": done, "events": len(outcome.events)}
        counts |= {"dead_letters": len(outcome.dead_letters), "failed": int(outcome.failed is not None)}
        counts |= {why: outcome.notes[why] for why in _PASSED_OVER}
        for (_, why), number in outcome.set_aside.items():
            counts[why] += number
        values: dict[Any, Any] = {}
        if done:
            values |= {"handled_at": now.timestamp(), **_place(records[done - 1])}
        if outcome.failed is not None:
            values |= {"failed_at": now.timestamp(), "cause": "; ".join(outcome.causes)[:_LONGEST_CAUSE]}
        key = progress_key(next(map(table_of, records), ""), shard)
        with suppress(redis.RedisError), self._client.pipeline(transaction=False) as pipe:
            for name, number in counts.items():
                if number:
                    pipe.hincrby(key, name, number)
            if values:
                pipe.hset(key, mapping=values)
            pipe.expire(key, _KEPT)
            pipe.execute()

    def note_tick(self) -> None:
        """A tick is over."""
        with suppress(redis.RedisError):
            self._client.set(TICKED, datetime.now(UTC).timestamp(), ex=_KEPT)


def read_progress(client: redis.Redis, table: str, *, address: str) -> list[ShardProgress]:
    """What was done of a table's stream, shard by shard. Raises ServiceUnavailable."""
    with redis_errors(address):
        keys = sorted(client.scan_iter(progress_pattern(table), count=1000))
        with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hgetall(key)
            found = pipe.execute()
    return [_read(key.decode(), values) for key, values in zip(keys, found, strict=True) if values]


def read_tick(client: redis.Redis, *, address: str) -> datetime | None:
    """When the last tick was; None where there was none for a week. Raises ServiceUnavailable."""
    with redis_errors(address):
        found: Any = client.get(TICKED)
    return _moment(found)


def _read(key: str, found: Mapping[bytes, bytes]) -> ShardProgress:
    texts = {name.decode(): value.decode(errors="replace") for name, value in found.items()}
    values: dict[str, Any] = {name: int(texts.get(name, 0)) for name in _COUNTS}
    values |= {name: _moment(texts.get(name)) for name in ("arrived_at", "handled_at", "failed_at")}
    values |= {name: texts.get(name) or None for name in ("sequence_number", "cause")}
    return ShardProgress(shard=progress_shard(key), **values)


def _moment(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(float(seconds), UTC) if seconds else None


def _place(record: Mapping[str, Any]) -> dict[str, str | float]:
    """Where a record stands in its stream; nothing of one that is not made as DynamoDB makes records."""
    try:
        body = record["dynamodb"]
        return {
            "sequence_number": str(body["SequenceNumber"]),
            "arrived_at": float(body["ApproximateCreationDateTime"]),
        }
    except (LookupError, TypeError, ValueError):
        return {}
