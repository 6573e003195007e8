"""A stream source's entities that are called otherwise: by their items, or by aliases in the settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from core.handler.baselines import Baselines
from core.handler.batch import BatchProcessor
from core.handler.build import build_processor
from core.settings.models import Settings
from rtp_client.keys import cache_key
from tests.dynamodb import NOON, Table, published

if TYPE_CHECKING:
    import redis

    from rtp_client.event import Event

RULES: dict[str, Any] = {"percent": 1, "moves": [{"over": "1h", "percent": 5}]}
COLUMNS = {"chain": "chain", "token": "token", "value": "price"}


def fed(redis_url: str, **rules: Any) -> Settings:
    """A watch of prices that a stream feeds."""
    prices = {"kind": "price", "table": "prices", "columns": COLUMNS} | rules
    return Settings.model_validate(
        {
            "watches": {"prices": prices},
            "redis": {"url": redis_url},
            "dynamodb": {"tables": {"prices": {"table": "prices"}}},
        }
    )


@pytest.fixture
def prices() -> Table:
    return Table("prices", ("id",))


def priced(table: Table, id_: str, token: str, price: str, *, minute: int = 0) -> dict[str, Any]:
    at = NOON + timedelta(minutes=minute)
    return table.put(at=at, id=id_, chain="base", token=token, price={"N": price})


def told(events: list[Event]) -> list[tuple[Any, ...]]:
    return [(one.data.entity, one.data.reason, one.data.previous, one.data.current) for one in events]


def test_an_item_that_keeps_its_key_renames_its_entity_and_all_that_is_known_of_it_goes_over(
    prices: Table, redis_url: str, store: redis.Redis
) -> None:
    priced(prices, "1", "uni", "100")
    priced(prices, "1", "uni", "102")
    priced(prices, "1", "uniswap", "102.5", minute=5)
    priced(prices, "1", "uniswap", "107.5", minute=10)
    settings = fed(redis_url, **RULES)
    events = [event for record in prices.records for event in build_processor(settings).process([record]).events]
    assert told(events) == [
        ("uni", "deviation", "100", "102"),
        ("uniswap", "renamed", "102", "102"),
        ("uniswap", "moved", "102", "107.5"),
    ]
    assert events[1].data.previous_entity == "uni"
    former, now = cache_key("price", "base", "uni"), cache_key("price", "base", "uniswap")
    assert (store.exists(former), store.hget(now, "sequence")) == (0, events[-1].sequence)
    assert build_processor(settings).process(prices.records).events == []


def test_a_name_that_time_moves_while_its_entity_is_renamed_is_read_again(
    prices: Table, redis_url: str, store: redis.Redis
) -> None:
    settings = fed(redis_url, heartbeat="1h")
    other = build_processor(settings)
    other.process([priced(prices, "1", "uni", "100")])

    class Slow(Baselines):
        is_first = True

        def reserve(self, count: int) -> int:
            if self.is_first:
                self.is_first = False
                other.tick()
            return super().reserve(count)

    processor = BatchProcessor(settings, Slow(settings.redis, url=redis_url), None, bury=print)
    outcome = processor.process([priced(prices, "1", "uniswap", "100")])
    assert (outcome.failed, outcome.notes["conflict"]) == (None, 1)
    assert [(one["data"]["entity"], one["data"]["reason"]) for one in published(store)] == [
        ("uni", "heartbeat"),
        ("uniswap", "renamed"),
    ]
    assert other.tick().events == []


def test_an_item_renamed_back_and_forth_in_one_batch_is_one_entity_all_along(prices: Table, redis_url: str) -> None:
    for token, price in (("a", "100"), ("b", "100"), ("b", "102"), ("a", "102"), ("a", "104")):
        priced(prices, "1", token, price)
    settings = fed(redis_url)
    assert told(build_processor(settings).process(prices.records).events) == [
        ("b", "renamed", "100", "100"),
        ("b", "deviation", "100", "102"),
        ("a", "renamed", "102", "102"),
        ("a", "deviation", "102", "104"),
    ]
    assert build_processor(settings).process(prices.records[2:]).events == []


def test_of_two_items_that_exchange_their_names_each_goes_on_from_its_own_value(prices: Table, redis_url: str) -> None:
    for id_, token, price in (("1", "a", "100"), ("2", "b", "200"), ("1", "b", "100"), ("2", "a", "200")):
        priced(prices, id_, token, price)
    priced(prices, "1", "b", "102")
    events = build_processor(fed(redis_url)).process(prices.records).events
    assert told(events) == [
        ("b", "deleted", "200", None),
        ("b", "renamed", "100", "100"),
        ("a", "renamed", "200", "200"),
        ("b", "deviation", "100", "102"),
    ]
    assert [event.data.previous_taken for event in events] == [None, None, True, None]


def test_what_is_remembered_under_an_alias_is_the_entitys_of_today_at_first_sight(
    prices: Table, redis_url: str, store: redis.Redis
) -> None:
    rules = RULES | {"peg": {"value": 100, "deviation_bps": 50}}
    priced(prices, "1", "uni", "100")
    priced(prices, "1", "uni", "98", minute=1)
    build_processor(fed(redis_url, **rules)).process(prices.records)
    aliased = fed(redis_url, **rules, aliases={"uni": "uniswap"})
    priced(prices, "1", "uni", "92", minute=2)
    priced(prices, "1", "uniswap", "100", minute=3)
    assert told(build_processor(aliased).process(prices.records).events) == [
        ("uniswap", "renamed", "98", "98"),
        ("uniswap", "escalated", "98", "92"),
        ("uniswap", "repeg", "92", "100"),
    ]
    assert build_processor(aliased).process(prices.records).events == []
    assert store.hget("rtp:baseline:prices:base:uni", "state") == ""


def test_time_alone_brings_what_is_remembered_under_an_alias_to_the_name_of_today(
    prices: Table, redis_url: str
) -> None:
    priced(prices, "1", "uni", "100")
    build_processor(fed(redis_url, heartbeat="1h")).process(prices.records)
    aliased = fed(redis_url, heartbeat="1h", aliases={"uni": "uniswap"})
    assert told(build_processor(aliased).tick().events) == [
        ("uniswap", "renamed", "100", "100"),
        ("uniswap", "heartbeat", "100", "100"),
    ]
    assert build_processor(aliased).tick().events == []


def test_where_the_name_of_today_is_known_itself_an_alias_is_forgotten(prices: Table, redis_url: str) -> None:
    for id_, token, price in (("1", "uni", "100"), ("2", "uniswap", "200")):
        priced(prices, id_, token, price)
    build_processor(fed(redis_url, heartbeat="1h")).process(prices.records)
    aliased = fed(redis_url, heartbeat="1h", aliases={"uni": "uniswap"})
    assert told(build_processor(aliased).tick().events) == [("uniswap", "heartbeat", "200", "200")]
