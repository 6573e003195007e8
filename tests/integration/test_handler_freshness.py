"""Entities of which no record tells: their cache entries live on while they are read, and are as the table has them."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from core.cache.readers import cache_reader
from core.cache.stats import read_stats
from core.handler.build import build_processor
from core.handler.items import dynamodb_of
from core.settings.models import Settings
from rtp_client import CacheReader
from rtp_client.keys import cache_key
from tests.fed import create_table, fed_document, put

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from mypy_boto3_dynamodb import DynamoDBClient

    from core.stack import EmbeddedStack

ENTITIES = 40
KEY = cache_key("tvl", "base", "protocol-1")


@pytest.fixture(scope="module")
def quiet(dynamodb: DynamoDBClient) -> str:
    """A table of protocols that nobody writes to."""
    table = create_table(dynamodb)
    for number in range(ENTITIES):
        put(dynamodb, table, f"protocol-{number}", str(number))
    return table


@pytest.fixture
def settings_with(cloud: EmbeddedStack, redis_url: str, quiet: str) -> Callable[..., Settings]:
    """Makes settings whose source has started: what the table held then is in the cache."""

    def make(**cache: Any) -> Settings:
        redis_settings = {"url": redis_url, "cache": cache}
        settings = Settings.model_validate(fed_document(cloud, quiet) | {"redis": redis_settings})
        build_processor(settings, reads_tables=True).tick()
        return settings

    return make


def read(settings: Settings, seconds: float) -> None:
    """Read protocols as people do, the first ones most, for so long; what is missing, from the table."""
    chance = Random(1)
    with cache_reader(settings, dynamodb=dynamodb_of(settings)) as reader:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            number = min(int(chance.paretovariate(0.5)), ENTITIES) - 1
            assert reader.get("tvl", "base", f"protocol-{number}")


def test_more_than_nine_of_ten_reads_of_quiet_entities_find_their_entry(
    settings_with: Callable[..., Settings], client: redis.Redis
) -> None:
    settings = settings_with(ttl={"tvl": "1s"})
    read(settings, 2.5)
    (tvl,) = read_stats(client, ["tvl"]).kinds
    assert tvl.reads["total"].hit_ratio is not None
    assert tvl.reads["total"].hit_ratio > 0.9


def test_an_entry_that_has_expired_is_filled_by_a_tick_for_readers_of_redis_alone(
    settings_with: Callable[..., Settings], redis_url: str, client: redis.Redis
) -> None:
    settings = settings_with()
    client.delete(KEY)
    with CacheReader(redis_url) as reader:
        assert reader.get("tvl", "base", "protocol-1") is None
    build_processor(settings, reads_tables=True).tick()
    with CacheReader(redis_url) as reader:
        entry = reader.get("tvl", "base", "protocol-1")
    assert entry is not None
    assert (entry.value, entry.is_stale) == ("1", False)


def aged(client: redis.Redis, value: str) -> None:
    """Have the entry be of a minute ago, with that value, and about to expire."""
    client.hset(KEY, mapping={"as_of": "2026-01-01T00:00:00.000000Z", "current": value})
    client.pexpire(KEY, 60_000)


def test_an_old_entry_that_is_read_is_compared_with_the_table_and_lives_on(
    settings_with: Callable[..., Settings], client: redis.Redis
) -> None:
    settings = settings_with()
    read(settings, 0.2)
    aged(client, "999")
    outcome = build_processor(settings, reads_tables=True).tick()
    assert (client.hget(KEY, "current"), outcome.notes["cache renewed"]) == (b"1", 1)
    lifetime: Any = client.pttl(KEY)
    assert lifetime > 60_000


def test_without_a_bound_on_staleness_the_table_is_not_asked_again(
    settings_with: Callable[..., Settings], client: redis.Redis
) -> None:
    settings = settings_with(max_staleness={"tvl": "0s"})
    read(settings, 0.2)
    aged(client, "999")
    build_processor(settings, reads_tables=True).tick()
    assert client.hget(KEY, "current") == b"999"


def test_where_the_table_cannot_be_read_the_tick_says_so(
    settings_with: Callable[..., Settings], client: redis.Redis
) -> None:
    settings = settings_with()
    read(settings, 0.2)
    nowhere = settings.dynamodb.model_copy(update={"endpoint_url": "http://127.0.0.1:1"})
    client.delete(KEY)
    outcome = build_processor(settings.model_copy(update={"dynamodb": nowhere}), reads_tables=True).tick()
    (unread,) = outcome.unread
    assert unread.startswith("the cache's quiet entries are not kept fresh: DynamoDB at http://127.0.0.1:1")
