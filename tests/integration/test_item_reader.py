"""The cache's readers on DynamoDB: what Redis does not hold is read from the watched tables."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from core.cache.readers import cache_reader
from core.handler.items import dynamodb_of
from core.settings.models import Settings
from rtp_client import (
    AsyncCacheReader,
    CacheReader,
    DynamoDb,
    Fixed,
    ItemTable,
    ServiceUnavailable,
    SettingsError,
    Source,
)
from rtp_client.keys import cache_key
from tests.fed import create_table, fed_document, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis
    from mypy_boto3_dynamodb import DynamoDBClient

    from core.stack import EmbeddedStack

LIDO = ("base", "lido")


@pytest.fixture(scope="module")
def tvl(dynamodb: DynamoDBClient) -> str:
    """A table with a hundred protocols and more."""
    table = create_table(dynamodb)
    put(dynamodb, table, "lido", "100.5")
    for number in range(120):
        put(dynamodb, table, f"protocol-{number}", str(number))
    return table


@pytest.fixture
def settings(cloud: EmbeddedStack, redis_url: str, tvl: str) -> Settings:
    return Settings.model_validate(fed_document(cloud, tvl) | {"redis": {"url": redis_url}})


@pytest.fixture
def reader(settings: Settings) -> Iterator[CacheReader]:
    with cache_reader(settings, dynamodb=dynamodb_of(settings)) as made:
        yield made


@pytest.fixture
def reading(cloud: EmbeddedStack, redis_url: str) -> Iterator[Callable[..., CacheReader]]:
    """Makes a reader of one table of the kind `price`, whose value is the attribute `usd`."""
    made: list[CacheReader] = []

    def make(name: str, **table: Any) -> CacheReader:
        columns: dict[str, Any] = {"entity": "token", "chain": Fixed("base"), "value": "usd"} | table
        tables = [ItemTable("price", name, **columns)]
        where = DynamoDb(tables, region="us-east-1", endpoint_url=cloud.addresses.sqs_endpoint_url)
        made.append(CacheReader(redis_url, dynamodb=where))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_what_redis_does_not_hold_is_read_from_the_table_and_then_held(reader: CacheReader) -> None:
    read = [reader.get("tvl", *LIDO) for _ in range(2)]
    assert [(entry.value, entry.source) for entry in read if entry] == [
        ("100.5", Source.DATABASE),
        ("100.5", Source.CACHE),
    ]


def test_the_asynchronous_reader_reads_it_too(settings: Settings) -> None:
    async def read() -> list[Any]:
        async with AsyncCacheReader(str(settings.redis.url), dynamodb=dynamodb_of(settings)) as reader:
            return [await reader.get("tvl", *LIDO) for _ in range(2)]

    assert [(entry.value, entry.source) for entry in asyncio.run(read())] == [
        ("100.5", Source.DATABASE),
        ("100.5", Source.CACHE),
    ]


def test_many_are_read_in_few_requests(reader: CacheReader) -> None:
    wanted = [("base", f"protocol-{number}") for number in range(130)]
    found = reader.get_many("tvl", wanted)
    assert {pair: entry and entry.value for pair, entry in found.items()} == {
        ("base", f"protocol-{number}"): str(number) if number < 120 else None for number in range(130)
    }


def test_an_item_that_is_not_there_is_remembered_as_unknown(reader: CacheReader, client: redis.Redis) -> None:
    assert reader.get("tvl", "base", "nobody") is None
    assert client.hget(cache_key("tvl", "base", "nobody"), "as_of") == b"-"


@pytest.mark.parametrize("name", ["", "x" * 3000], ids=["empty", "too long"])
def test_a_name_that_no_key_can_have_is_unknown(reader: CacheReader, name: str) -> None:
    assert reader.get("tvl", "base", name) is None


def test_of_many_who_miss_one_reads_the_table(reader: CacheReader) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: reader.get("tvl", *LIDO), range(8)))
    assert [entry.value for entry in found if entry] == ["100.5"] * 8
    assert [entry.source for entry in found if entry].count(Source.DATABASE) == 1


def test_without_redis_the_table_answers(settings: Settings) -> None:
    with CacheReader("redis://127.0.0.1:1/0", dynamodb=dynamodb_of(settings)) as reader:
        entry = reader.get("tvl", *LIDO)
    assert entry is not None
    assert (entry.value, entry.source) == ("100.5", Source.DATABASE)


def test_without_redis_and_dynamodb_it_says_which_does_not_answer(settings: Settings) -> None:
    away = DynamoDb(dynamodb_of(settings).tables, "us-east-1", "http://127.0.0.1:1", timeout_seconds=0.5)
    with CacheReader(str(settings.redis.url), dynamodb=away) as reader, pytest.raises(ServiceUnavailable) as raised:
        reader.get("tvl", *LIDO)
    assert str(raised.value) == "DynamoDB at http://127.0.0.1:1 is not reachable: EndpointConnectionError"


def test_a_table_that_is_missing_is_named(reading: Callable[..., CacheReader]) -> None:
    with pytest.raises(ServiceUnavailable, match="refuses: table nowhere: ResourceNotFoundException"):
        reading("nowhere").get("price", "base", "eth")


def test_of_a_history_the_newest_sample_counts_that_is_not_too_far_ahead(
    dynamodb: DynamoDBClient, reading: Callable[..., CacheReader]
) -> None:
    table = create_table(dynamodb, "token", "at", name="samples")
    now = datetime.now(UTC)
    for usd, at in (("1", now - timedelta(hours=1)), ("2", now - timedelta(minutes=1)), ("3", now + timedelta(days=1))):
        dynamodb.put_item(TableName=table, Item={"token": {"S": "eth"}, "at": {"S": at.isoformat()}, "usd": {"N": usd}})
    entry = reading(table, changed_at="at", is_history=True).get("price", "base", "eth")
    assert entry is not None
    assert entry.value == "2"


def test_a_single_table_is_read_by_path_and_by_what_is_wanted(
    dynamodb: DynamoDBClient, reading: Callable[..., CacheReader]
) -> None:
    table = create_table(dynamodb, "pk", "sk", name="single")
    for sk, usd in (("META", "0"), ("PRICE#latest", "7.5"), ("TVL", "9")):
        data = {"M": {"price": {"M": {"usd": {"N": usd}}}}}
        dynamodb.put_item(TableName=table, Item={"pk": {"S": "eth"}, "sk": {"S": sk}, "data": data})
    reader = reading(
        table, entity="pk", value="data.price.usd", is_wanted=lambda item: item["sk"]["S"].startswith("PRICE#")
    )
    entry = reader.get("price", "base", "eth")
    assert entry is not None
    assert entry.value == "7.5"


def test_metadata_is_read_whole(dynamodb: DynamoDBClient, cloud: EmbeddedStack, redis_url: str) -> None:
    table = create_table(dynamodb, "slug", name="protocols")
    item: Any = {"slug": {"S": "lido"}, "about": {"M": {"name": {"S": "Lido"}}}, "audits": {"N": "2"}}
    dynamodb.put_item(TableName=table, Item=item | {"logo": {"B": b"\x00"}})
    watched, places = ("name", "audits", "logo", "closed"), ("about.name", "audits", "logo", "closed")
    tables = [ItemTable("protocol", table, "slug", watched=watched, watched_at=places)]
    where = DynamoDb(tables, "us-east-1", cloud.addresses.sqs_endpoint_url)
    with CacheReader(redis_url, dynamodb=where) as reader:
        entry = reader.get("protocol", "all", "lido")
    assert entry is not None
    assert entry.fields == {"name": "Lido", "audits": 2, "logo": "AA==", "closed": None}


def test_a_table_whose_key_names_something_else_needs_an_index(
    dynamodb: DynamoDBClient, reading: Callable[..., CacheReader]
) -> None:
    table = create_table(dynamodb, "id", name="by-id")
    with pytest.raises(SettingsError, match=r"neither the key nor an index of DynamoDB table by-id-\w+ names"):
        reading(table).get("price", "base", "eth")


def test_an_event_that_comes_while_the_table_is_read_is_not_overwritten(
    reader: CacheReader, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reader.source is not None
    rows = reader.source.rows
    key = cache_key("tvl", *LIDO)

    def slowly(owners: Any) -> Any:
        found = rows(owners)
        client.hdel(key, "claim")  # as the delivery of an event does
        client.hset(key, mapping={"sequence": "9", "event": json.dumps({"data": {"current": "7", "reason": "x"}})})
        return found

    monkeypatch.setattr(reader.source, "rows", slowly)
    reader.get("tvl", *LIDO)
    monkeypatch.undo()
    entry = reader.get("tvl", *LIDO)
    assert entry is not None
    assert entry.value == "7"


def test_the_settings_where_chooses_the_items(dynamodb: DynamoDBClient, cloud: EmbeddedStack, redis_url: str) -> None:
    table = create_table(dynamodb, "pk", "sk", name="single")
    for sk, tvl in (("META", "0"), ("TVL#now", "9")):
        item: Any = {"pk": {"S": "lido"}, "sk": {"S": sk}, "stats": {"M": {"tvl": {"N": tvl}}}, "chain": {"S": "base"}}
        dynamodb.put_item(TableName=table, Item=item)
    document = fed_document(cloud, table) | {"redis": {"url": redis_url}}
    fed = {"attributes": {"protocol": "pk", "value": "stats.tvl"}, "where": {"sk": {"prefix": "TVL#"}}}
    document["dynamodb"]["tables"]["tvl"] |= fed
    settings = Settings.model_validate(document)
    with cache_reader(settings, dynamodb=dynamodb_of(settings)) as reader:
        entry = reader.get("tvl", *LIDO)
    assert entry is not None
    assert entry.value == "9"


def test_the_settings_attributes_of_watched_columns_are_read_by_path(
    dynamodb: DynamoDBClient, cloud: EmbeddedStack, redis_url: str
) -> None:
    table = create_table(dynamodb)
    item: Any = {"protocol": {"S": "lido"}, "chain": {"S": "base"}, "meta": {"M": {"title": {"S": "Lido"}}}}
    dynamodb.put_item(TableName=table, Item=item)
    columns = {"protocol": "protocol", "chain": "chain"}
    document = fed_document(cloud, table) | {"redis": {"url": redis_url}}
    document["watches"] = {"names": {"kind": "protocol", "table": "p", "watched": ["name"], "columns": columns}}
    document["dynamodb"]["tables"] = {"names": {"table": table, "attributes": {"watched": {"name": "meta.title"}}}}
    settings = Settings.model_validate(document)
    with cache_reader(settings, dynamodb=dynamodb_of(settings)) as reader:
        entry = reader.get("protocol", *LIDO)
    assert entry is not None
    assert entry.fields == {"name": "Lido"}
