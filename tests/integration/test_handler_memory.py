"""Redis loses its memory: that is noticed, said, and baselines are right again before anything is judged by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from core.handler.build import build_processor
from core.handler.outcome import BatchOutcome
from core.handler.recollection import about_lost
from core.settings.models import Settings
from rtp_client import CacheReader
from tests.dynamodb import NOON, Table, expired, put
from tests.fed import create_table, fed_document
from tests.fed import put as put_item

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from mypy_boto3_dynamodb import DynamoDBClient

    from core.stack import EmbeddedStack

ALL_LOST = "Redis has lost its memory: baselines are taken from the tables and the records' old images"
LIDO = "rtp:baseline:tvl:ethereum:lido"


def steps(outcome: BatchOutcome) -> list[tuple[str | None, str | None]]:
    return [(event.data.previous, event.data.current) for event in outcome.events]


def restart_from(store: redis.Redis, older: Any) -> None:
    """Leave Redis as after a restart from an older state: the baseline is that of before, in another run."""
    store.delete(LIDO)
    store.hset(LIDO, mapping={**older, "run": "the run before"})


# Noticing


def test_a_first_start_has_lost_nothing(aws: Settings, tvl: Table) -> None:
    processor = build_processor(aws)
    assert [about_lost(processor.process([put(tvl, value)])) for value in ("100", "101")] == [None, None]


def test_a_lost_memory_is_said_once_by_whoever_knew_it(aws: Settings, tvl: Table, store: redis.Redis) -> None:
    processor, later = build_processor(aws), build_processor(aws)
    processor.process([put(tvl, "100")])
    store.flushall()
    assert about_lost(later.process([put(tvl, "101")])) is None
    assert [about_lost(processor.process([put(tvl, "101")])) for _ in range(2)] == [ALL_LOST, None]


def test_a_tick_notices_it_without_any_record(aws: Settings, tvl: Table, store: redis.Redis) -> None:
    processor = build_processor(aws)
    processor.process([put(tvl, "100")])
    store.flushall()
    assert about_lost(processor.tick()) == ALL_LOST


def test_a_redis_of_an_earlier_version_of_rtp_has_lost_nothing(aws: Settings, tvl: Table, store: redis.Redis) -> None:
    build_processor(aws).process([put(tvl, "100")])
    store.delete("rtp:baselines:marker")
    store.hdel(LIDO, "run")
    outcome = build_processor(aws).process([put(tvl, "102")])
    assert (about_lost(outcome), steps(outcome)) == (None, [("100", "102")])


# Tables updated in place


def test_the_old_image_is_the_baseline_after_a_loss(aws: Settings, tvl: Table, store: redis.Redis) -> None:
    processor = build_processor(aws)
    processor.process([put(tvl, "100"), put(tvl, "100.5")])
    store.flushall()
    assert steps(processor.process([put(tvl, "102")])) == [("100.5", "102")]


def test_after_a_restart_from_an_older_state_no_step_is_told_twice(
    aws: Settings, tvl: Table, store: redis.Redis
) -> None:
    processor = build_processor(aws)
    processor.process([put(tvl, "100")])
    older: Any = store.hgetall(LIDO)
    assert steps(processor.process([put(tvl, "110")])) == [("100", "110")]
    restart_from(store, older)
    outcome = processor.process([put(tvl, "110.5"), put(tvl, "115")])
    assert steps(outcome) == [("110", "115")]
    assert about_lost(outcome) == (
        "Redis has restarted from an older state: 1 baseline was replaced by what the stream says came before"
    )


def test_after_a_restart_that_has_lost_nothing_a_drift_still_adds_up(
    aws: Settings, tvl: Table, store: redis.Redis
) -> None:
    processor = build_processor(aws)
    processor.process([put(tvl, "100"), put(tvl, "100.9")])
    same: Any = store.hgetall(LIDO)
    restart_from(store, same)
    outcome = processor.process([put(tvl, "101.1")])
    assert (steps(outcome), about_lost(outcome)) == ([("100", "101.1")], None)


@pytest.mark.parametrize(
    "passed_over",
    [
        lambda table: [put(table, "90", updated_at=(NOON + timedelta(hours=1)).isoformat())],
        lambda table: [put(table, "many")],
        lambda table: [expired(table.delete(chain="ethereum", protocol="lido"))],
    ],
    ids=["of the future", "unreadable", "expired"],
)
def test_a_record_that_was_passed_over_before_a_restart_is_no_sign_of_a_loss(
    aws: Settings, tvl: Table, store: redis.Redis, passed_over: Callable[[Table], list[dict[str, Any]]]
) -> None:
    tables = {"tvl": aws.dynamodb.tables["tvl"].model_copy(update={"on_ttl": "ignore"})}
    settings = aws.model_copy(update={"dynamodb": aws.dynamodb.model_copy(update={"tables": tables})})
    processor = build_processor(settings)
    processor.process([put(tvl, "100"), put(tvl, "100.9"), *passed_over(tvl)])
    same: Any = store.hgetall(LIDO)
    restart_from(store, same)
    outcome = processor.process([put(tvl, "101.1")])
    assert (steps(outcome), about_lost(outcome)) == ([("100", "101.1")], None)


def test_a_deletion_that_an_older_state_does_not_know_is_not_told_twice(
    aws: Settings, tvl: Table, store: redis.Redis
) -> None:
    processor = build_processor(aws)
    processor.process([put(tvl, "100")])
    older: Any = store.hgetall(LIDO)
    processor.process([tvl.delete(chain="ethereum", protocol="lido")])
    restart_from(store, older)
    assert steps(processor.process([put(tvl, "500")])) == []


# From the tables themselves


@pytest.fixture
def fed(dynamodb: DynamoDBClient, cloud: EmbeddedStack, redis_url: str) -> Callable[..., tuple[str, Settings]]:
    """Makes a table that feeds the watch `tvl`, with that rule; the test's Redis remembers."""

    def make(*keys: str, **watch: Any) -> tuple[str, Settings]:
        table = create_table(dynamodb, *keys)
        document = fed_document(cloud, table, **watch) | {"redis": {"url": redis_url}}
        return table, Settings.model_validate(document)

    return make


def sample(table: Table, value: str, at: datetime) -> dict[str, Any]:
    return table.put(at=at, protocol="lido", chain="base", at_=at.isoformat(), tvl_usd={"N": value})


COLUMNS = {"protocol": "protocol", "chain": "chain", "value": "tvl_usd", "changed_at": "at_"}
HISTORY: dict[str, Any] = {"shape": "history", "columns": COLUMNS}


def test_a_sample_is_compared_with_the_one_before_it_in_the_table(
    fed: Callable[..., tuple[str, Settings]], dynamodb: DynamoDBClient
) -> None:
    name, settings = fed("protocol", "at_", **HISTORY)
    now = datetime.now(UTC)
    for minute, value in enumerate(("90", "100", "200")):
        at = {"S": (now + timedelta(minutes=minute)).isoformat()}
        item: Any = {"protocol": {"S": "lido"}, "chain": {"S": "base"}, "at_": at, "tvl_usd": {"N": value}}
        dynamodb.put_item(TableName=name, Item=item)
    stream = Table(name, ("protocol", "at_"))
    record = sample(stream, "110", now + timedelta(minutes=1, seconds=30))
    assert steps(build_processor(settings, reads_tables=True).process([record])) == [("100", "110")]


def test_a_sample_that_waits_for_earlier_ones_is_not_compared_with_those_in_the_table(
    fed: Callable[..., tuple[str, Settings]], dynamodb: DynamoDBClient
) -> None:
    name, settings = fed("protocol", "at_", **HISTORY)
    table = settings.dynamodb.tables["tvl"].model_copy(update={"reorder": timedelta(seconds=2)})
    waiting = settings.model_copy(update={"dynamodb": settings.dynamodb.model_copy(update={"tables": {"tvl": table}})})
    stream, now = Table(name, ("protocol", "at_")), datetime.now(UTC)
    records = [sample(stream, value, now + timedelta(milliseconds=n)) for n, value in enumerate(("100", "110", "120"))]
    for item in stream.items.values():
        dynamodb.put_item(TableName=name, Item=item)
    for record in reversed(records):
        build_processor(waiting, reads_tables=True).process([record])
    later = build_processor(waiting, clock=lambda: now + timedelta(minutes=1))
    assert steps(later.tick()) == [("100", "110"), ("110", "120")]


def test_the_first_sample_of_all_is_a_first_sighting(fed: Callable[..., tuple[str, Settings]]) -> None:
    name, settings = fed("protocol", "at_", **HISTORY)
    outcome = build_processor(settings, reads_tables=True).process(
        [sample(Table(name, ("protocol", "at_")), "110", datetime.now(UTC))]
    )
    assert (outcome.events, outcome.failed, outcome.unread) == ([], None, [])


def test_where_the_table_cannot_be_read_that_is_said_and_the_record_is_done(
    fed: Callable[..., tuple[str, Settings]],
) -> None:
    name, settings = fed("protocol", "at_", **HISTORY)
    nowhere = settings.dynamodb.model_copy(update={"endpoint_url": "http://127.0.0.1:1"})
    processor = build_processor(settings.model_copy(update={"dynamodb": nowhere}), reads_tables=True)
    stream, now = Table(name, ("protocol", "at_")), datetime.now(UTC)
    outcome = processor.process([sample(stream, "110", now)])
    assert (outcome.failed, len(outcome.unread)) == (None, 1)
    assert outcome.unread[0].startswith("watch tvl: samples before the first are not known: DynamoDB at http://127")


def test_a_key_that_is_not_the_tables_holds_up_no_record(
    fed: Callable[..., tuple[str, Settings]], dynamodb: DynamoDBClient
) -> None:
    name, settings = fed("protocol", "at_", **HISTORY)
    processor, now = build_processor(settings, reads_tables=True), datetime.now(UTC)
    stream = Table(name, ("protocol", "at_"))
    first, second = sample(stream, "1", now), sample(stream, "2", now + timedelta(minutes=1))
    other: Any = {**second, "dynamodb": {**second["dynamodb"], "Keys": {"protocol": {"S": "lido"}, "at_": {"N": "1"}}}}
    other["dynamodb"]["NewImage"] = other["dynamodb"]["NewImage"] | {"protocol": {"S": "aave"}}
    outcome = processor.process([first, other])
    assert (outcome.failed, len(outcome.unread)) == (None, 1)


def rebuilt(settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> BatchOutcome:
    processor = build_processor(settings, reads_tables=True, clock=clock)
    processor.tick()
    return processor.tick()


def test_silence_is_an_event_after_a_loss_too(
    fed: Callable[..., tuple[str, Settings]], dynamodb: DynamoDBClient
) -> None:
    name, settings = fed(heartbeat="1h")
    put_item(dynamodb, name, "lido", "100")
    rebuilt(settings)
    later = build_processor(settings, clock=lambda: datetime.now(UTC) + timedelta(hours=2)).tick()
    assert [(event.data.reason, event.data.current) for event in later.events] == [("heartbeat", "100")]


def test_the_cache_is_filled_from_the_table_after_a_loss(
    fed: Callable[..., tuple[str, Settings]], dynamodb: DynamoDBClient
) -> None:
    name, settings = fed()
    for number in range(600):  # more than a page
        put_item(dynamodb, name, f"protocol-{number}", str(number))
    rebuilt(settings)
    with CacheReader(str(settings.redis.url), is_counted=False) as reader:
        found = reader.get_many("tvl", [("base", f"protocol-{number}") for number in range(600)])
    assert [entry and entry.value for entry in found.values()] == [str(number) for number in range(600)]


def test_a_record_that_is_behind_the_table_is_compared_with_its_own_old_image(
    fed: Callable[..., tuple[str, Settings]], dynamodb: DynamoDBClient
) -> None:
    name, settings = fed()
    stream = Table(name, ("protocol", "chain"))
    for value in ("100", "102", "200"):
        put_item(dynamodb, name, "lido", value)
        stream.put(protocol="lido", chain="base", tvl_usd={"N": value})
    rebuilt(settings)
    outcome = build_processor(settings, reads_tables=True).process(stream.records[1:])
    assert steps(outcome) == [("100", "102"), ("102", "200")]


def test_an_item_that_the_rebuild_saw_first_is_still_a_first_sighting(
    fed: Callable[..., tuple[str, Settings]], dynamodb: DynamoDBClient
) -> None:
    name, settings = fed(emit_first=True)
    put_item(dynamodb, name, "lido", "100")
    rebuilt(settings)
    record = Table(name, ("protocol", "chain")).put(protocol="lido", chain="base", tvl_usd={"N": "100"})
    outcome = build_processor(settings, reads_tables=True).process([record])
    assert [event.data.reason for event in outcome.events] == ["first_seen"]


def test_a_table_that_cannot_be_read_is_named_at_each_tick(fed: Callable[..., tuple[str, Settings]]) -> None:
    name, settings = fed()
    nowhere = settings.dynamodb.model_copy(update={"endpoint_url": "http://127.0.0.1:1"})
    (trouble,) = rebuilt(settings.model_copy(update={"dynamodb": nowhere})).unread
    assert trouble.startswith(f"baselines are not rebuilt from table {name}: DynamoDB at http://127.0.0.1:1")
