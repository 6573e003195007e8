"""A history whose stream is read at a factor above 1: its samples come in any order, and wait for each other."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from core.handler.baselines import Baselines
from core.handler.batch import BatchProcessor
from core.settings.models import Settings
from tests.dynamodb import NOON, Table, published

if TYPE_CHECKING:
    import redis

SECOND = timedelta(seconds=1)


@pytest.fixture
def prices() -> Table:
    return Table("prices", ("token", "time"))


def put_price(prices: Table, price: float, at: datetime, *, of: str = "usdc") -> dict[str, Any]:
    return prices.put(at=at, token=of, time=at.isoformat(), price={"N": str(price)})


def processor(redis_url: str, clock: list[datetime], **table: str) -> BatchProcessor:
    columns = {"chain": {"const": "base"}, "token": "token", "value": "price", "changed_at": "time"}
    watch = {"kind": "price", "table": "prices", "shape": "history", "percent": 1, "columns": columns}
    settings = Settings.model_validate(
        {
            "watches": {"prices": watch},
            "redis": {"url": redis_url},
            "dynamodb": {"tables": {"prices": {"table": "prices", **table}}},
        }
    )
    return BatchProcessor(settings, Baselines(settings.redis, url=redis_url), None, bury=print, clock=lambda: clock[0])


def test_samples_wait_for_earlier_ones_in_redis_and_are_told_by_their_own_records(
    prices: Table, redis_url: str, store: redis.Redis
) -> None:
    clock = [NOON]
    records = [put_price(prices, 100 * 1.02**step, NOON + step * SECOND / 100) for step in range(60)]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    Random(1).shuffle(records)
    while records:
        batch, records = records[:7], records[7:]
        processor(redis_url, clock, reorder="2s").process(batch)  # another process for each, as at a factor of 10
        processor(redis_url, clock, reorder="2s").process(batch)
    assert published(store) == []
    clock[0] = NOON + 2 * SECOND
    assert processor(redis_url, clock, reorder="2s").tick().set_aside.total() == 0
    assert [event["id"].split("-")[1] for event in published(store)] == numbers[1:]
    sequences = [event["sequence"] for event in published(store)]
    assert sequences == sorted(set(sequences))


def test_a_batch_brings_what_waited_long_enough_of_other_entities(
    prices: Table, redis_url: str, store: redis.Redis
) -> None:
    clock = [NOON]
    running = processor(redis_url, clock, reorder="2s")
    running.process([put_price(prices, 101, NOON + SECOND / 10), put_price(prices, 100, NOON)])
    running.process([put_price(prices, 104, NOON + SECOND / 5)])
    clock[0] = NOON + 2 * SECOND
    outcome = running.process([put_price(prices, 7, clock[0], of="dai")])
    assert (outcome.failed, [event.data.current for event in outcome.events]) == (None, ["101", "104"])


def test_without_waiting_what_comes_out_of_the_streams_order_is_counted_and_told_with_the_remedy(
    prices: Table, redis_url: str
) -> None:
    clock = [NOON]
    records = [put_price(prices, 100 + step, NOON + step * SECOND) for step in range(4)]
    running = processor(redis_url, clock)
    running.process([records[0], records[2], records[3]])
    outcome = running.process([records[1]])
    assert outcome.set_aside == {("prices", "out_of_order"): 1}
    assert outcome.about_set_aside(("prices", "out_of_order")).startswith(
        "watch prices: 1 item was set aside, as a later record of the stream was judged before: have the stream read at"
        " a parallelization factor of 1, or raise dynamodb.tables.prices.reorder; the last is base/usdc of 2024-03-19T"
    )
    assert running.process(records).set_aside.total() == 0
