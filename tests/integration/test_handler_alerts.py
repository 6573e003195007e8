"""Alerts of the stream source: a record is done once Redis has it, and each queue gets what is its own, or waits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
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
from core.leading.epoch import UNFENCED
from core.letters.stream_letters import RedisLetters
from core.services.sqs_client import sqs_client as make_client
from core.settings.routes import route_model
from core.sinks import Outcome, Sink
from core.sinks.sqs.sink import SqsSink
from tests.dynamodb import Table, published, put
from tests.faulty_sqs import faulty_sqs
from tests.queue_drain import drain_events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_sqs import SQSClient

    from core.settings.models import Settings
    from rtp_client.event import Event
    from tests.conftest import SqsQueue

LATER = timedelta(minutes=1)


def processor(
    aws: Settings, *senders: AlertSender, store: AlertStore, ahead: timedelta = timedelta(0)
) -> BatchProcessor:
    """One with these queues, whose clock is ahead."""
    baselines, bury = Baselines(aws.redis, url=aws.redis.url or ""), RedisLetters(store_of(aws), "").bury
    alerts = Alerts(senders, store, bury=bury)
    return BatchProcessor(aws, baselines, alerts, bury=bury, clock=lambda: datetime.now(UTC) + ahead)


def store_of(aws: Settings) -> redis.Redis:
    return redis.Redis.from_url(aws.redis.url or "")


def sender(queue: str, sink: Sink, store: AlertStore) -> AlertSender:
    return AlertSender(queue, sink, lambda _: True, store=store, bury=print, max_attempts=3)


class Recorded(Sink):
    """A queue that takes everything, or is away; it counts what is tried."""

    name = service = "sqs"
    address = ""
    batch_size = 10
    poll_interval_seconds = 0.0
    epoch = UNFENCED

    def __init__(self, *, takes: int = 10**9, error: type[Exception] | None = None) -> None:
        self.takes = takes
        self.error = error
        self.taken: list[str | None] = []
        self.tries = 0

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def deliver(self, events: Sequence[Event]) -> Outcome:
        self.tries += 1
        if len(self.taken) >= self.takes:
            if self.error is not None:
                raise self.error
            raise SinkUnavailable("SQS", "there", "away")
        self.taken.extend(event.data.current for event in events)
        return Outcome()


@pytest.fixture
def alert_store(client: redis.Redis) -> AlertStore:
    return AlertStore(client, "")


def test_a_queue_that_is_missing_fails_no_record_and_gets_its_alerts_when_it_is_there(
    aws: Settings, tvl: Table, sqs_client: SQSClient, sqs_queue: SqsQueue, received: Callable[[], list[Any]]
) -> None:
    name = f"late-{sqs_queue.name}"
    routes = (route_model(SHIPPED).model_validate({"match": {"protocol": "aave"}, "queue": name}),)
    settings = aws.model_copy(update={"routes": routes})
    batch = [put(tvl, value, protocol) for protocol in ("lido", "aave") for value in ("1", "2")]
    outcome = build_processor(settings).process(batch)
    assert (outcome.failed, len(outcome.events)) == (None, 2)
    assert [f"queue {name}" in trouble for trouble in outcome.troubles] == [True]
    assert [alert["data"]["entity"] for alert in received()] == ["lido", "aave"]
    url = sqs_client.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    build_processor(settings).process(batch[2:])
    assert [alert["data"]["entity"] for alert in drain_events(sqs_client, url)] == ["aave"]
    assert received() == []
    sqs_client.delete_queue(QueueUrl=url)


def test_what_waits_for_a_queue_is_counted_with_the_age_of_its_oldest(
    aws: Settings, tvl: Table, alert_store: AlertStore
) -> None:
    away, there = Recorded(takes=0), Recorded()
    senders = sender("away.fifo", away, alert_store), sender("there.fifo", there, alert_store)
    begun = datetime.now(UTC)
    processor(aws, *senders, store=alert_store).process([put(tvl, value) for value in ("1", "2", "4")])
    (waiting,) = processor(aws, *senders, store=alert_store).tick().pending
    assert (waiting.queue, waiting.alerts, there.taken) == ("away.fifo", 2, ["2", "4"])
    assert begun <= waiting.oldest_at <= datetime.now(UTC)


def test_a_tick_sends_each_queue_what_it_lacks_in_order_and_the_others_nothing(
    aws: Settings, tvl: Table, alert_store: AlertStore
) -> None:
    away, there = Recorded(takes=0), Recorded()
    first = processor(
        aws, sender("away.fifo", away, alert_store), sender("there.fifo", there, alert_store), store=alert_store
    )
    for value in ("1", "2", "4", "8"):
        first.process([put(tvl, value)])
    away.takes = 10**9
    outcome = processor(
        aws,
        sender("away.fifo", away, alert_store),
        sender("there.fifo", there, alert_store),
        store=alert_store,
        ahead=LATER,
    ).tick()
    assert (away.taken, there.taken, outcome.pending) == (["2", "4", "8"], ["2", "4", "8"], [])


def test_a_queue_that_failed_is_left_alone_and_costs_the_next_batches_nothing(
    aws: Settings, tvl: Table, alert_store: AlertStore
) -> None:
    away = Recorded(takes=0)
    running = processor(aws, sender("away.fifo", away, alert_store), store=alert_store)
    for value in ("1", "2", "4", "8", "16"):
        assert running.process([put(tvl, value)]).failed is None
    assert away.tries == 1


class CutOff(Exception):
    """The end of a process."""


def test_whoever_is_cut_off_while_sending_has_only_the_last_portion_sent_again(
    aws: Settings, tvl: Table, alert_store: AlertStore
) -> None:
    names = [f"protocol-{number}" for number in range(300)]
    batch = [put(tvl, value, name) for value in ("1", "2") for name in names]
    cut = Recorded(takes=100, error=CutOff)
    with pytest.raises(CutOff):
        processor(aws, sender("alerts.fifo", cut, alert_store), store=alert_store).process(batch)
    after = Recorded()
    outcome = processor(aws, sender("alerts.fifo", after, alert_store), store=alert_store).process(batch)
    assert (len(cut.taken) + len(after.taken), outcome.events) == (300, [])
    assert 100 <= len(cut.taken) < 140
    assert alert_store.pending() == []


def test_a_thousand_alerts_of_one_entity_are_sent_in_order_after_an_outage(
    aws: Settings, tvl: Table, alert_store: AlertStore
) -> None:
    queue = Recorded(takes=0)
    processor(aws, sender("alerts.fifo", queue, alert_store), store=alert_store).process(
        [put(tvl, str(2**number)) for number in range(1001)]
    )
    queue.takes = 10**9
    processor(aws, sender("alerts.fifo", queue, alert_store), store=alert_store, ahead=LATER).tick()
    assert queue.taken == [str(2**number) for number in range(1, 1001)]


def test_an_entity_that_is_gone_is_remembered_until_its_alerts_are_sent(
    aws: Settings, tvl: Table, alert_store: AlertStore, store: redis.Redis
) -> None:
    queue = Recorded(takes=0)
    put(tvl, "1")
    processor(aws, sender("alerts.fifo", queue, alert_store), store=alert_store).process(
        [*tvl.records, tvl.delete(chain="ethereum", protocol="lido")]
    )
    assert store.ttl("rtp:baseline:tvl:ethereum:lido") == -1
    queue.takes = 1
    processor(aws, sender("alerts.fifo", queue, alert_store), store=alert_store, ahead=LATER).tick()
    assert (queue.taken, store.ttl("rtp:baseline:tvl:ethereum:lido") > 0) == ([None], True)


def test_dead_letters_wait_in_redis_until_their_queue_is_there(
    aws: Settings, tvl: Table, sqs_client: SQSClient, sqs_queue: SqsQueue, store: redis.Redis
) -> None:
    name = f"failures-{sqs_queue.name[:-5]}"
    settings = aws.model_copy(update={"dynamodb": aws.dynamodb.model_copy(update={"dead_letter_queue": name})})
    unreadable = tvl.put(chain="ethereum", protocol="lido", tvl_usd={"S": "many"})
    outcome = build_processor(settings).process([unreadable, put(tvl, "1", "aave"), put(tvl, "2", "aave")])
    assert (outcome.failed, len(outcome.events), len(outcome.troubles)) == (None, 1, 1)
    assert store.llen("rtp:dead-letters") == 1
    url = sqs_client.create_queue(QueueName=name)["QueueUrl"]
    assert build_processor(settings).tick().troubles == []
    (message,) = sqs_client.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["record"] == unreadable
    assert store.llen("rtp:dead-letters") == 0
    sqs_client.delete_queue(QueueUrl=url)


def test_a_dead_letter_that_is_too_long_for_its_queue_is_shortened_and_holds_up_no_other(
    aws: Settings, tvl: Table, sqs_client: SQSClient, sqs_queue: SqsQueue, store: redis.Redis
) -> None:
    name = f"failures-{sqs_queue.name[:-5]}"
    url = sqs_client.create_queue(QueueName=name, Attributes={"MaximumMessageSize": "2048"})["QueueUrl"]
    settings = aws.model_copy(update={"dynamodb": aws.dynamodb.model_copy(update={"dead_letter_queue": name})})
    unreadable: list[Any] = [
        tvl.put(chain="ethereum", protocol=protocol, tvl_usd={"S": "many"}, remark={"S": remark})
        for protocol, remark in (("lido", "x" * 4000), ("aave", "x"))
    ]
    assert build_processor(settings).process(unreadable).troubles == []
    found = [
        json.loads(message["Body"])
        for message in sqs_client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    ]
    assert {letter["record"]["dynamodb"]["Keys"]["protocol"]["S"]: "is_shortened" in letter for letter in found} == {
        "lido": True,
        "aave": False,
    }
    assert store.llen("rtp:dead-letters") == 0
    sqs_client.delete_queue(QueueUrl=url)


def test_a_throttled_queue_has_all_its_alerts_once_it_is_no_longer(
    aws: Settings, tvl: Table, sqs_queue: SqsQueue, received: Callable[[], list[Any]], alert_store: AlertStore
) -> None:
    names = [f"protocol-{number}" for number in range(20)]
    batch = [put(tvl, value, name) for value in ("1", "2") for name in names]
    with faulty_sqs(sqs_queue.endpoint_url) as gateway:
        gateway.refused_groups = {f"ethereum:{name}": "ThrottlingException" for name in names}
        there = aws.sqs.model_copy(update={"endpoint_url": gateway.url})
        sqs = SqsSink(there, make_client(there))
        throttled = processor(aws, sender("alerts.fifo", sqs, alert_store), store=alert_store)
        assert (throttled.process(batch).failed, received()) == (None, [])
        gateway.refused_groups.clear()
        processor(aws, sender("alerts.fifo", sqs, alert_store), store=alert_store, ahead=LATER).tick()
    assert sorted(alert["data"]["entity"] for alert in received()) == sorted(names)


def test_of_two_who_forward_one_letter_the_later_takes_no_other_away(client: redis.Redis) -> None:
    letters = RedisLetters(client, "", most=None)
    client.lpush("rtp:dead-letters", "first", "second")
    letters.remove("first")
    letters.remove("first")
    assert letters.oldest(10) == ["second"]


def test_alerts_for_a_queue_that_the_settings_name_no_more_become_dead_letters_after_a_while(
    aws: Settings, tvl: Table, alert_store: AlertStore, store: redis.Redis
) -> None:
    away = sender("gone.fifo", Recorded(takes=0), alert_store)
    processor(aws, away, store=alert_store).process([put(tvl, value) for value in ("1", "2", "4")])
    assert processor(aws, store=alert_store, ahead=LATER).tick().pending[0].alerts == 2
    assert processor(aws, store=alert_store, ahead=timedelta(hours=2)).tick().pending == []
    letters = [json.loads(letter) for letter in store.lrange("rtp:dead-letters", 0, -1)]
    assert [json.loads(letter["event"])["data"]["current"] for letter in letters] == ["4", "2"]
    assert {letter["reason"] for letter in letters} == {
        "it waited for queue gone.fifo, which the settings name no more"
    }


def test_events_are_told_once_while_a_queue_is_away(aws: Settings, tvl: Table, store: redis.Redis) -> None:
    nowhere = aws.sqs.model_copy(update={"endpoint_url": "http://127.0.0.1:1"})
    settings = aws.model_copy(update={"sqs": nowhere})
    batch = [put(tvl, "1"), put(tvl, "2")]
    assert build_processor(settings).process(batch).failed is None
    assert build_processor(settings).process(batch).failed is None
    assert [event["data"]["current"] for event in published(store)] == ["2"]
