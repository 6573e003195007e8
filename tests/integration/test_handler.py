"""Batches of stream records, end to end: events in Redis and SQS, once each, whatever happens half-way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import redis

from core.errors import SinkUnavailable
from core.handler.alert_sender import AlertSender
from core.handler.alert_store import AlertStore
from core.handler.alerts import Alerts
from core.handler.baselines import Baselines
from core.handler.batch import BatchProcessor
from core.handler.build import build_processor
from core.kinds import SHIPPED
from core.letters.stream_letters import RedisLetters, StreamLetter
from core.services.sqs_client import sqs_client as make_client
from core.settings.dynamodb import dynamodb_model
from core.settings.guard import GlitchGuard
from core.settings.models import Settings
from core.settings.routes import route_model
from core.sinks import Outcome
from core.sinks.sqs.sink import SqsSink
from tests.dynamodb import NOON, Table, expired, published, put
from tests.faulty_sqs import faulty_sqs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mypy_boto3_sqs import SQSClient

    from core.handler.outcome import BatchOutcome
    from rtp_client.event import Event
    from tests.conftest import SqsQueue


def test_a_significant_change_is_cached_published_and_an_alert(
    aws: Settings, tvl: Table, store: redis.Redis, received: Callable[[], list[Any]]
) -> None:
    outcome = build_processor(aws).process([put(tvl, "100"), put(tvl, "100.5"), put(tvl, "102")])
    (event,) = outcome.events
    document = json.loads(event.json_bytes)
    assert outcome.failed is None
    assert [document["data"][name] for name in ("previous", "current", "reason")] == ["100", "102", "deviation"]
    assert document["id"].split("-")[1] == tvl.records[2]["dynamodb"]["SequenceNumber"]
    assert published(store) == received() == [document]
    assert store.hget("rtp:cache:tvl:ethereum:lido", "sequence") == document["sequence"]


def test_redelivery_of_a_whole_batch_changes_nothing(
    aws: Settings, tvl: Table, store: redis.Redis, received: Callable[[], list[Any]]
) -> None:
    processor = build_processor(aws)
    batch = [put(tvl, value) for value in ("100", "102", "99", "104")]
    processor.process(batch)
    before = published(store)
    again = processor.process(batch)
    assert (again.failed, again.events, again.notes["repeated"]) == (None, [], 4)
    assert published(store) == before
    assert received() == before


class Crash(Exception):
    """The end of a process."""


class CrashingSink:
    """The real sink, which ends the process before or after it sends."""

    name = service = "sqs"
    address = ""
    batch_size = 100
    poll_interval_seconds = 0.0

    def __init__(self, sink: SqsSink, *, sends: bool) -> None:
        self._sink = sink
        self._sends = sends

    def open(self) -> None:
        self._sink.open()

    def close(self) -> None:
        self._sink.close()

    def deliver(self, events: Sequence[Event]) -> Outcome:
        if self._sends:
            self._sink.deliver(events)
        raise Crash


def processor_with(aws: Settings, sink: Any) -> BatchProcessor:
    baselines = Baselines(aws.redis, url=aws.redis.url or "")
    bury = RedisLetters(redis.Redis.from_url(aws.redis.url or ""), "").bury
    return BatchProcessor(aws, baselines, alerts_to(sink, aws, bury), bury=bury)


def store_of(aws: Settings) -> AlertStore:
    return AlertStore(redis.Redis.from_url(aws.redis.url or ""), "")


def alerts_to(sink: Any, aws: Settings, bury: Callable[[StreamLetter], None]) -> Alerts:
    store = store_of(aws)
    sender = AlertSender(aws.sqs.queue or "", sink, lambda _: True, store=store, bury=bury, max_attempts=3)
    return Alerts([sender], store, bury=bury)


@pytest.mark.parametrize("sends", [False, True], ids=["before SQS has it", "after SQS has it"])
def test_a_crash_behind_the_write_to_redis_loses_and_doubles_no_alert(
    aws: Settings, tvl: Table, store: redis.Redis, received: Callable[[], list[Any]], sends: bool
) -> None:
    batch = [put(tvl, "100"), put(tvl, "102"), put(tvl, "105")]
    with pytest.raises(Crash):
        processor_with(aws, CrashingSink(SqsSink(aws.sqs, make_client(aws.sqs)), sends=sends)).process(batch)
    build_processor(aws).process([*batch, put(tvl, "110")])
    alerts = received()
    assert [alert["data"]["current"] for alert in alerts] == ["102", "105", "110"]
    assert alerts == published(store)


def test_an_alert_left_behind_is_sent_by_a_tick(aws: Settings, tvl: Table, received: Callable[[], list[Any]]) -> None:
    with pytest.raises(Crash):
        processor_with(aws, CrashingSink(SqsSink(aws.sqs, make_client(aws.sqs)), sends=False)).process(
            [put(tvl, "100"), put(tvl, "102")]
        )
    baselines = Baselines(aws.redis, url=aws.redis.url or "")
    alerts = alerts_to(SqsSink(aws.sqs, make_client(aws.sqs)), aws, print)
    later = BatchProcessor(aws, baselines, alerts, bury=print, clock=lambda: datetime.now(UTC) + timedelta(minutes=1))
    assert later.tick().pending == []
    assert [alert["data"]["current"] for alert in received()] == ["102"]


def test_while_sqs_refuses_a_group_its_alerts_wait_in_order_and_others_go_on(
    aws: Settings, tvl: Table, sqs_queue: SqsQueue, received: Callable[[], list[Any]]
) -> None:
    with faulty_sqs(sqs_queue.endpoint_url) as gateway:
        gateway.refused_groups["ethereum:aave"] = "ThrottlingException"
        there = aws.model_copy(update={"sqs": aws.sqs.model_copy(update={"endpoint_url": gateway.url})})
        batch = [put(tvl, "1"), put(tvl, "1", "aave"), put(tvl, "2", "aave"), put(tvl, "2"), put(tvl, "3", "aave")]
        outcome = build_processor(there).process(batch)
        assert (outcome.failed, outcome.notes["alerts that wait"]) == (None, 2)
        assert [alert["data"]["entity"] for alert in received()] == ["lido"]
        gateway.refused_groups.clear()
        build_processor(there).process([put(tvl, "4", "aave")])
    assert [(alert["data"]["entity"], alert["data"]["current"]) for alert in received()] == [
        ("aave", "2"),
        ("aave", "3"),
        ("aave", "4"),
    ]


def test_without_redis_the_whole_batch_comes_again(aws: Settings, tvl: Table) -> None:
    nowhere = aws.model_copy(update={"redis": aws.redis.model_copy(update={"url": "redis://127.0.0.1:1/0"})})
    outcome = build_processor(nowhere).process([put(tvl, "100"), put(tvl, "102")])
    assert outcome.failed == tvl.records[0]["dynamodb"]["SequenceNumber"]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"tvl_usd": {"S": "many"}}, "watch tvl: attribute tvl_usd is not a number"),
        ({"tvl_usd": {"S": "-nan"}}, "watch tvl: attribute tvl_usd is not a number"),
        ({"tvl_usd": {"M": {}}}, "watch tvl: attribute tvl_usd is of type M, not a string or a number"),
        ({"chain": ""}, "watch tvl: attribute chain is missing or empty"),
        (
            {"protocol": "x" * 501},
            "watch tvl: attribute protocol is longer than 500 bytes, the most that a name may have",
        ),
        (
            {"updated_at": "soon"},
            "watch tvl: attribute updated_at is not a time: write RFC 3339, or seconds since 1970",
        ),
    ],
)
def test_a_record_that_cannot_be_read_is_a_dead_letter_with_its_reason(
    aws: Settings, tvl: Table, store: redis.Redis, item: dict[str, Any], reason: str
) -> None:
    whole = {"chain": "ethereum", "protocol": "lido", "tvl_usd": {"N": "1"}, **item}
    outcome = build_processor(aws).process([tvl.put(**whole), put(tvl, "1", "aave"), put(tvl, "2", "aave")])
    assert outcome.failed is None
    (letter,) = store.lrange("rtp:dead-letters", 0, -1)
    assert json.loads(letter)["reason"] == reason
    assert json.loads(letter)["record"] == tvl.records[0]
    assert [event.data.entity for event in outcome.events] == ["aave"]


def test_a_record_without_a_stream_is_a_dead_letter(aws: Settings, tvl: Table, store: redis.Redis) -> None:
    stranger = {name: part for name, part in put(tvl, "1", "aave").items() if name != "eventSourceARN"}
    outcome = build_processor(aws).process([stranger, put(tvl, "2"), put(tvl, "3")])
    assert (outcome.failed, len(outcome.events)) == (None, 1)
    (letter,) = store.lrange("rtp:dead-letters", 0, -1)
    assert json.loads(letter)["reason"] == "the record does not say which stream it is of"


def unreadable(table: Table) -> dict[str, Any]:
    return table.put(chain="ethereum", protocol="lido", tvl_usd={"S": "many"})


LAMBDA = """
import json, sys
from types import SimpleNamespace
from core.handler.lambda_function import handler
names = ("function_name", "memory_limit_in_mb", "invoked_function_arn", "aws_request_id")
handler(json.load(sys.stdin), SimpleNamespace(**dict.fromkeys(names, "rtp")))
"""


def logged_by_the_lambda(config: Path, redis_url: str, record: dict[str, Any]) -> list[Any]:
    """What the Lambda logs when it is called with this record, in a process of its own."""
    config.write_text(
        "watches: {tvl: {kind: tvl, table: tvl, columns: {protocol: protocol, value: tvl_usd}}}\n"
        "dynamodb: {tables: {tvl: {table: tvl}}}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", LAMBDA],
        input=json.dumps({"Records": [record]}),
        env=os.environ | {"RTP_CONFIG": str(config), "RTP_REDIS_URL": redis_url},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_lambda_logs_why_a_record_is_a_dead_letter(tvl: Table, redis_url: str, tmp_path: Path) -> None:
    lines = logged_by_the_lambda(tmp_path / "rtp.yaml", redis_url, unreadable(tvl))
    (reason,) = [line["reason"] for line in lines if line.get("message") == "dead letter"]
    assert reason == "watch tvl: attribute tvl_usd is not a number"


def test_the_lambda_logs_why_records_come_again(tvl: Table, tmp_path: Path) -> None:
    lines = logged_by_the_lambda(tmp_path / "rtp.yaml", "redis://:s3cret@127.0.0.1:1/0", put(tvl, "1"))
    (cause,) = [line["cause"] for line in lines if line.get("message") == "records come again"]
    assert cause.startswith("Redis at redis://:***@127.0.0.1:1/0 is not reachable: ")


def test_a_dead_letter_is_told_once_however_often_its_batch_comes(aws: Settings, tvl: Table) -> None:
    nowhere = aws.redis.model_copy(update={"url": "redis://127.0.0.1:1/0"})
    letters: list[StreamLetter] = []
    batch = [unreadable(tvl), put(tvl, "1", "aave")]
    for redis_settings in (nowhere, nowhere, aws.redis):
        baselines = Baselines(redis_settings, url=redis_settings.url or "")
        BatchProcessor(aws, baselines, None, bury=letters.append).process(batch)
    assert [letter.record for letter in letters] == [batch[0]]


class Gravedigger:
    """Takes dead letters, but not the first time."""

    def __init__(self) -> None:
        self.letters: list[StreamLetter] = []
        self.is_away = True

    def __call__(self, letter: StreamLetter) -> None:
        if self.is_away:
            self.is_away = False
            raise SinkUnavailable("SQS", "there", "away")
        self.letters.append(letter)


def test_a_record_whose_dead_letter_nobody_takes_comes_again(aws: Settings, tvl: Table) -> None:
    bury = Gravedigger()
    batch = [put(tvl, "1", "aave"), unreadable(tvl), put(tvl, "2", "aave")]
    processor = BatchProcessor(aws, Baselines(aws.redis, url=aws.redis.url or ""), None, bury=bury)
    first = processor.process(batch)
    assert (first.failed, first.dead_letters) == (batch[1]["dynamodb"]["SequenceNumber"], [])
    assert processor.process(batch[1:]).failed is None
    assert len(bury.letters) == 1


def test_a_change_that_makes_no_valid_event_is_not_judged_before_its_dead_letter_is_taken(
    aws: Settings, tvl: Table
) -> None:
    bury = Gravedigger()
    batch = [put(tvl, value, "half a pair: \ud800") for value in ("1", "2")]
    processor = BatchProcessor(aws, Baselines(aws.redis, url=aws.redis.url or ""), None, bury=bury)
    assert processor.process(batch).failed == batch[0]["dynamodb"]["SequenceNumber"]
    assert processor.process(batch).failed is None
    assert [letter.reason[:5] for letter in bury.letters] == ["event"]
    assert processor.process(batch).notes["repeated"] == 2


def test_dead_letters_go_to_their_queue(
    aws: Settings, tvl: Table, stack: Any, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    url = sqs_client.create_queue(QueueName=f"failures-{sqs_queue.name[:-5]}")["QueueUrl"]
    dynamodb = aws.dynamodb.model_copy(update={"dead_letter_queue": url.rpartition("/")[2]})
    build_processor(aws.model_copy(update={"dynamodb": dynamodb})).process(
        [tvl.put(chain={"NULL": True}, protocol="lido", tvl_usd={"N": "1"})]
    )
    (message,) = sqs_client.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["reason"] == "watch tvl: attribute chain is missing or empty"
    sqs_client.delete_queue(QueueUrl=url)


def test_a_letter_that_cannot_be_written_is_not_taken_for_a_silent_redis(store: redis.Redis) -> None:
    with pytest.raises(json.JSONDecodeError):
        RedisLetters(store, "").bury(StreamLetter("why", event="no document" * 100_000))


def test_a_record_of_a_table_that_feeds_no_watch_is_a_dead_letter(aws: Settings, tvl: Table) -> None:
    stranger = put(Table("other", ("chain", "protocol")), "1")
    outcome = build_processor(aws).process([put(tvl, "1"), stranger, put(tvl, "2")])
    assert [letter.reason for letter in outcome.dead_letters] == ["table other feeds no watch"]
    assert (outcome.failed, len(outcome.events)) == (None, 1)


def test_an_item_from_before_is_no_first_sighting(aws: Settings, tvl: Table) -> None:
    put(tvl, "100")
    outcome = build_processor(aws).process([put(tvl, "102")])
    assert [event.data.previous for event in outcome.events] == ["100"]


def test_a_removed_item_is_deleted_and_known_no_more(aws: Settings, tvl: Table) -> None:
    put(tvl, "100")
    gone, again = tvl.delete(chain="ethereum", protocol="lido"), put(tvl, "500")
    outcome = build_processor(aws).process([*tvl.records[:1], gone, again])
    assert [(event.data.reason, event.data.previous) for event in outcome.events] == [("deleted", "100")]
    assert build_processor(aws).process(tvl.records).events == []


def test_metadata_is_added_changed_and_removed(aws: Settings) -> None:
    table = Table("protocols", ("protocol", "chain"))
    table.put(protocol="lido", chain="all", name="Lido", audits={"N": "2"})
    table.put(protocol="lido", chain="all", name="Lido", audits={"N": "3"})
    table.put(protocol="lido", chain="all", name="Lido", audits={"N": "3"}, ignored="x")
    table.delete(protocol="lido", chain="all")
    events = build_processor(aws).process(table.records).events
    assert [event.type for event in events] == ["rtp.protocol.added", "rtp.protocol.changed", "rtp.protocol.removed"]
    assert events[1].data.fields is not None
    assert {name: (step.previous, step.current) for name, step in events[1].data.fields.items()} == {"audits": (2, 3)}


def test_a_batch_may_have_thousands_of_events_of_one_entity(aws: Settings, tvl: Table, store: redis.Redis) -> None:
    records = [put(tvl, str(2 + number % 2)) for number in range(3000)]
    outcome = BatchProcessor(aws, Baselines(aws.redis, url=aws.redis.url or ""), None, bury=print).process(records)
    assert (outcome.failed, len(outcome.events), store.xlen("rtp:stream")) == (None, 2999, 2999)


def test_sequences_of_an_entity_rise_also_when_redis_forgets(aws: Settings, tvl: Table, store: redis.Redis) -> None:
    processor = build_processor(aws)
    first = processor.process([put(tvl, "1"), put(tvl, "2"), put(tvl, "3")]).events
    store.flushall()
    then = processor.process([put(tvl, "4")]).events
    sequences = [event.sequence for event in (*first, *then)]
    assert sequences == sorted(set(sequences))
    assert [event.data.previous for event in then] == ["3"]


def test_two_at_once_move_a_baseline_one_after_the_other(aws: Settings, tvl: Table, store: redis.Redis) -> None:
    """One processor reads, another moves the entity, and the first one's write is refused and judged anew."""
    batch = [put(tvl, "100"), put(tvl, "102")]
    other = build_processor(aws)

    class Slow(Baselines):
        is_first = True

        def reserve(self, count: int) -> int:
            if self.is_first:
                self.is_first = False
                other.process(batch)
            return super().reserve(count)

    baselines = Slow(aws.redis, url=aws.redis.url or "")
    outcome = BatchProcessor(aws, baselines, None, bury=print).process(batch)
    assert (outcome.failed, outcome.events, outcome.notes["conflict"]) == (None, [], 1)
    assert len(published(store)) == 1


def test_an_event_that_sqs_keeps_refusing_is_a_dead_letter(
    aws: Settings, tvl: Table, sqs_queue: SqsQueue, store: redis.Redis, received: Callable[[], list[Any]]
) -> None:
    with faulty_sqs(sqs_queue.endpoint_url) as gateway:
        gateway.poisonous = "poison"
        there = aws.sqs.model_copy(update={"endpoint_url": gateway.url})
        processor = processor_with(aws, SqsSink(there, make_client(there)))
        batch = [put(tvl, "1", "poison"), put(tvl, "2", "poison"), put(tvl, "1"), put(tvl, "2")]
        waiting = [processor.process(batch).notes["alerts that wait"] for _ in range(3)]
    assert waiting == [1, 1, 0]
    assert [json.loads(letter)["reason"][:15] for letter in store.lrange("rtp:dead-letters", 0, -1)] == [
        "SQS refuses it:"
    ]
    assert [alert["data"]["entity"] for alert in received()] == ["lido"]


def processor_by(clock: list[datetime], settings: Settings, redis_url: str) -> BatchProcessor:
    """One without a queue, whose time the clock tells."""
    baselines = Baselines(settings.redis, url=redis_url)
    return BatchProcessor(settings, baselines, None, bury=print, clock=lambda: clock[0])


def test_silence_is_an_event_where_a_heartbeat_is_due(aws: Settings, tvl: Table, redis_url: str) -> None:
    watch = aws.watches["tvl"].model_copy(update={"heartbeat": timedelta(hours=1)})
    settings = aws.model_copy(update={"watches": {**aws.watches, "tvl": watch}})
    clock = [NOON]
    processor = processor_by(clock, settings, redis_url)
    processor.process([put(tvl, "100")])
    assert processor.tick().events == []
    clock[0] = NOON + timedelta(hours=1)
    (event,) = processor.tick().events
    assert (event.data.reason, event.data.current, event.data.chain) == ("heartbeat", "100", "ethereum")
    assert processor.tick().events == []


def test_what_time_brings_about_tells_of_the_item_whose_value_it_has(redis_url: str) -> None:
    watch = {
        **{"kind": "tvl", "table": "rates", "percent": 5, "heartbeat": "1h", "confidence": 0.9},
        "columns": {
            **{"chain": "chain", "protocol": "protocol", "value": "usd"},
            **{"changed_at": "time", "confidence": "trust", "provenance": "feed"},
        },
        "glitch_guard": {"factor": 2, "release_after": "5m"},
    }
    settings = Settings.model_validate(
        {"watches": {"rates": watch}, "dynamodb": {"tables": {"rates": {"table": "rates"}}}}
    )
    rates, clock, minute = Table("rates", ("chain", "protocol")), [NOON], timedelta(minutes=1)
    processor = processor_by(clock, settings, redis_url)

    def item(usd: str, time: str, trust: str, feed: str) -> dict[str, Any]:
        said: dict[str, Any] = {"time": time, "trust": {"N": trust}, "feed": feed}
        return rates.put(chain="base", protocol="lido", usd={"N": usd}, **said)

    def said(outcome: BatchOutcome) -> tuple[Any, ...]:
        (event,) = outcome.events
        data = event.data
        return (data.reason, data.current, data.confidence, data.provenance, datetime.fromisoformat(data.changed_at))

    processor.process(
        [item("100", "2024-03-19T11:00Z", "0.7", "llama"), item("300", "2024-03-19T11:01Z", "0.3", "dune")]
    )
    clock[0] = NOON + 5 * minute
    assert said(processor.tick()) == ("deviation", "300", 0.3, "dune", NOON - 59 * minute)
    processor.process([item("299", "2024-03-19T11:02Z", "0.5", "desk")])
    clock[0] = NOON + 65 * minute
    assert said(processor.tick()) == ("heartbeat", "299", 0.5, "desk", NOON - 58 * minute)
    removed = rates.delete(chain="base", protocol="lido")
    assert said(processor.process([removed])) == ("deleted", None, 0.5, "desk", NOON)


def test_a_jump_that_arrives_late_is_released_by_its_own_time(aws: Settings, redis_url: str) -> None:
    guard = GlitchGuard(factor=Decimal(2), release_after=timedelta(minutes=5))
    watch = aws.watches["prices"].model_copy(update={"shape": "history", "glitch_guard": guard})
    settings = aws.model_copy(update={"watches": {**aws.watches, "prices": watch}})
    table, minute = Table("prices", ("token", "updated_at")), timedelta(minutes=1)
    clock = [NOON]
    processor = processor_by(clock, settings, redis_url)
    for second, price in enumerate(("101", "300")):
        time = (NOON - 10 * minute + timedelta(seconds=second)).isoformat()
        processor.process([table.put(token="usdc", chain="base", price_usd={"N": price}, updated_at=time)])
    clock[0] = NOON + 4 * minute
    assert processor.tick().events == []
    clock[0] = NOON + 6 * minute
    assert [event.data.current for event in processor.tick().events] == ["300"]


def test_an_item_that_is_away_for_less_than_its_grace_is_not_deleted(aws: Settings, tvl: Table, redis_url: str) -> None:
    watch = aws.watches["tvl"].model_copy(update={"delete_grace": timedelta(hours=1)})
    settings = aws.model_copy(update={"watches": {**aws.watches, "tvl": watch}})
    clock = [NOON]
    processor = processor_by(clock, settings, redis_url)

    def reasons(outcome: BatchOutcome) -> list[tuple[str, str | None]]:
        return [(event.data.reason, event.data.current) for event in outcome.events]

    def put_and_delete(value: str) -> list[dict[str, Any]]:
        return [put(tvl, value), tvl.delete(chain="ethereum", protocol="lido")]

    assert reasons(processor.process(put_and_delete("100"))) == []
    assert reasons(processor.process(put_and_delete("150"))) == [("deviation", "150")]
    clock[0] = NOON + timedelta(minutes=59)
    assert reasons(processor.tick()) == []
    clock[0] = NOON + timedelta(hours=2)
    assert reasons(processor.tick()) == [("deleted", None)]
    assert reasons(processor.tick()) == []


def test_a_deletion_by_the_time_to_live_says_so_wherever_it_is_told(
    aws: Settings, tvl: Table, store: redis.Redis, received: Callable[[], list[Any]]
) -> None:
    put(tvl, "100")
    build_processor(aws).process([*tvl.records, expired(tvl.delete(chain="ethereum", protocol="lido"))])
    (event,) = published(store)
    assert (event["data"]["reason"], event["deletedby"]) == ("deleted", "ttl")
    assert received() == [event]


def test_a_deletion_by_a_writer_says_nothing_of_who_it_was(aws: Settings, tvl: Table, store: redis.Redis) -> None:
    put(tvl, "100")
    build_processor(aws).process([*tvl.records, tvl.delete(chain="ethereum", protocol="lido")])
    assert "deletedby" not in published(store)[0]


def test_a_deletion_by_the_time_to_live_says_so_when_its_grace_is_over(
    aws: Settings, tvl: Table, redis_url: str
) -> None:
    watch = aws.watches["tvl"].model_copy(update={"delete_grace": timedelta(hours=1)})
    clock = [NOON]
    processor = processor_by(clock, aws.model_copy(update={"watches": {**aws.watches, "tvl": watch}}), redis_url)
    put(tvl, "100")
    processor.process([*tvl.records, expired(tvl.delete(chain="ethereum", protocol="lido"))])
    clock[0] = NOON + timedelta(hours=2)
    assert [(event.data.reason, event.deletedby) for event in processor.tick().events] == [("deleted", "ttl")]


def test_what_is_due_for_a_watch_that_is_no_more_holds_up_nobody(
    aws: Settings, tvl: Table, redis_url: str, store: redis.Redis
) -> None:
    watch = aws.watches["tvl"].model_copy(update={"heartbeat": timedelta(hours=1)})
    settings = aws.model_copy(update={"watches": {**aws.watches, "tvl": watch}})
    clock = [NOON]
    processor = processor_by(clock, settings, redis_url)
    processor.process([put(tvl, "100")])
    store.zadd("rtp:baselines:due", {f"rtp:baseline:gone:base:{number}": 1 for number in range(2000)})
    clock[0] = NOON + timedelta(hours=1)
    assert [event.data.reason for event in processor.tick().events] == ["heartbeat"]
    assert store.zcard("rtp:baselines:due") == 1


def test_a_late_sample_of_a_history_moves_nothing(aws: Settings) -> None:
    watch = aws.watches["prices"].model_copy(update={"shape": "history"})
    settings = aws.model_copy(update={"watches": {**aws.watches, "prices": watch}})
    table = Table("prices", ("token", "updated_at"))

    def sample(price: str, time: str) -> None:
        table.put(token="usdc", chain="base", price_usd={"N": price}, updated_at=time)

    for price, time in (("1", "2024-01-01T00:00:01Z"), ("2", "2024-01-01T00:00:03Z"), ("9", "2024-01-01T00:00:02Z")):
        sample(price, time)
    processor = build_processor(settings)
    outcome = processor.process(table.records)
    assert [event.data.current for event in outcome.events] == ["2"]
    assert outcome.notes["late"] == 1
    again = processor.process(table.records)
    assert (again.events, again.failed) == ([], None)


@pytest.mark.parametrize("shape", ["latest", "history"])
def test_an_item_of_the_future_moves_nothing_and_is_told(aws: Settings, shape: str) -> None:
    watch = aws.watches["prices"].model_copy(update={"shape": shape})
    settings = aws.model_copy(update={"watches": {**aws.watches, "prices": watch}})
    table = Table("prices", ("token", "updated_at") if shape == "history" else ("token",))
    for price, time in (("1", "2024-03-19T12:00:00Z"), ("2", "2025-03-19T12:00:00Z"), ("3", "2024-03-19T12:00:01Z")):
        table.put(token="usdc", chain="base", price_usd={"N": price}, updated_at=time)
    outcome = build_processor(settings).process(table.records)
    assert [(event.data.previous, event.data.current) for event in outcome.events] == [("1", "3")]
    assert outcome.about_set_aside(("prices", "future")) == (
        "watch prices: 1 item was set aside, as the time is further ahead than `max_future`; "
        "the last is base/usdc of 2025-03-19T12:00:00+00:00"
    )


def test_an_item_that_is_back_with_a_time_of_the_future_is_not_deleted(aws: Settings, redis_url: str) -> None:
    watch = aws.watches["prices"].model_copy(update={"delete_grace": timedelta(hours=1)})
    settings = aws.model_copy(update={"watches": {**aws.watches, "prices": watch}})
    table = Table("prices", ("token",))
    clock = [NOON]
    processor = processor_by(clock, settings, redis_url)
    table.put(token="usdc", chain="base", price_usd={"N": "1"}, updated_at="2024-03-19T12:00:00Z")
    table.delete(token="usdc")
    table.put(token="usdc", chain="base", price_usd={"N": "2"}, updated_at="2025-03-19T12:00:00Z")
    assert processor.process(table.records).events == []
    clock[0] = NOON + timedelta(hours=2)
    assert processor.tick().events == []


def test_what_an_item_of_the_future_held_is_no_baseline(aws: Settings) -> None:
    table = Table("prices", ("token",))
    for price, time in (("2", "2025-03-19T12:00:00Z"), ("3", "2024-03-19T12:00:01Z")):
        table.put(token="usdc", chain="base", price_usd={"N": price}, updated_at=time)
    assert build_processor(aws).process(table.records).events == []


def test_routes_choose_the_queues_of_an_alert(
    aws: Settings, tvl: Table, sqs_client: SQSClient, sqs_queue: SqsQueue, received: Callable[[], list[Any]]
) -> None:
    name = f"whales-{sqs_queue.name}"
    url = sqs_client.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    routes = (
        route_model(SHIPPED).model_validate({"match": {"min_percent": 50}, "queue": name}),
        route_model(SHIPPED).model_validate({"match": {"protocol": "lido"}, "queue": sqs_queue.name}),
    )
    batch = [put(tvl, value, protocol) for protocol in ("lido", "aave", "calm") for value in ("100", "102", "204")]
    outcome = build_processor(aws.model_copy(update={"routes": routes})).process(batch)
    assert (outcome.failed, len(outcome.events)) == (None, 6)
    assert [(alert["data"]["entity"], alert["data"]["current"]) for alert in received()] == [
        ("lido", "102"),
        ("lido", "204"),
    ]
    whales = sqs_client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert sorted(json.loads(message["Body"])["data"]["entity"] for message in whales) == ["aave", "calm", "lido"]
    sqs_client.delete_queue(QueueUrl=url)


def test_attributes_can_be_called_otherwise_than_columns(aws: Settings) -> None:
    tables = {"tvl": {"table": "slugs", "attributes": {"chain": {"const": "base"}, "protocol": "slug", "value": "tvl"}}}
    settings = aws.model_copy(update={"dynamodb": dynamodb_model(SHIPPED).model_validate({"tables": tables})})
    table = Table("slugs", ("slug",))
    for value in ("1", "2"):
        table.put(slug="lido", tvl={"N": value})
    (event,) = build_processor(settings).process([replace_arn(record) for record in table.records]).events
    assert event.subject == "base/lido"


def replace_arn(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "eventSourceARN": record["eventSourceARN"].replace("us-east-1", "eu-west-1")}
