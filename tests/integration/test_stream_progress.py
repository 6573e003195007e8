"""What a stream source has done is known from Redis: counts and place per shard, and when it last ticked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import redis

from core.handler.build import build_processor
from core.handler.progress import LAMBDA, read_progress, read_tick
from core.kinds import SHIPPED
from core.settings.dynamodb import dynamodb_model
from core.sinks.settings import load_settings
from tests.dynamodb import Table, expired

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.handler.batch import BatchProcessor
    from core.handler.progress import ShardProgress
    from core.settings.models import Settings


@pytest.fixture
def fed(redis_url: str) -> Settings:
    """A watch that a DynamoDB table feeds; without any queue."""
    settings = load_settings(None, environ={}, options={"redis.url": redis_url})
    tables = dynamodb_model(SHIPPED).model_validate({"tables": {"tvl": {"table": "defi-tvl"}}})
    return settings.model_copy(
        update={"dynamodb": tables, "sqs": settings.sqs.model_copy(update={"queue": None})},
    )


@pytest.fixture
def processor(fed: Settings) -> BatchProcessor:
    return build_processor(fed)


@pytest.fixture
def store(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def table() -> Table:
    return Table("defi-tvl", ("chain", "protocol"))


def done_of(store: redis.Redis) -> list[ShardProgress]:
    return read_progress(store, "defi-tvl", address="")


def put(table: Table, *values: str, at: datetime) -> None:
    for value in values:
        table.put(chain="base", protocol="lido", tvl_usd={"N": value}, at=at)


def test_a_shards_counts_and_place_add_up_over_batches(
    processor: BatchProcessor, table: Table, store: redis.Redis
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    put(table, "100", "102", at=now - timedelta(hours=1))
    put(table, "104", at=now)
    processor.process(table.records[:2], shard="shard-1")
    processor.process(table.records[2:], shard="shard-1")
    (seen,) = done_of(store)
    assert (seen.shard, seen.batches, seen.records, seen.events, seen.failed) == ("shard-1", 2, 3, 2, 0)
    assert (seen.sequence_number, seen.arrived_at) == (table.records[2]["dynamodb"]["SequenceNumber"], now)
    assert seen.lag_seconds is not None
    assert seen.lag_seconds < 60


def test_records_that_no_watch_takes_are_counted_by_why(fed: Settings, table: Table, store: redis.Redis) -> None:
    one = {"table": "defi-tvl", "where": {"type": "tvl"}, "on_ttl": "ignore"}
    two = {"table": "defi-tvl", "where": {"type": "protocol"}}
    tables = dynamodb_model(SHIPPED).model_validate({"tables": {"tvl": one, "protocols": two}})
    for kind in ("tvl", "protocol", "user"):
        table.put(chain="base", protocol=kind, type=kind, tvl_usd={"N": "1"})
    gone = expired(table.delete(chain="base", protocol="tvl"))
    build_processor(fed.model_copy(update={"dynamodb": tables})).process([*table.records[:3], gone])
    (seen,) = done_of(store)
    assert (seen.records, seen.elsewhere, seen.expired) == (4, 1, 1)


def test_a_lambda_knows_no_shard_and_is_one_progress_per_table(
    processor: BatchProcessor, table: Table, store: redis.Redis
) -> None:
    put(table, "100", at=datetime.now(UTC))
    processor.process(table.records)
    assert [seen.shard for seen in done_of(store)] == [LAMBDA]


def test_a_record_that_is_none_is_counted_as_a_dead_letter(processor: BatchProcessor, store: redis.Redis) -> None:
    arn = "arn:aws:dynamodb:us-east-1:000000000000:table/defi-tvl/stream/1"
    processor.process([{"eventSourceARN": arn, "dynamodb": "nothing"}])
    (seen,) = done_of(store)
    assert (seen.dead_letters, seen.sequence_number, seen.arrived_at) == (1, None, None)


def test_a_tick_leaves_its_time(processor: BatchProcessor, store: redis.Redis) -> None:
    assert read_tick(store, address="") is None
    processor.tick()
    ticked = read_tick(store, address="")
    assert ticked is not None
    assert datetime.now(UTC) - ticked < timedelta(minutes=1)
