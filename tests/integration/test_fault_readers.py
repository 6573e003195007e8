"""What the fault suite's readers make of a real Redis and a real queue: they must see what is wrong there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import redis

from core.redis_names import CACHE_MARKER
from core.services.receiving_client import ReceivingClient, receiving_client
from core.settings.models import SqsSettings
from loadtests.faults.alert_audit import AlertAudit
from loadtests.faults.cache_check import is_filled, wrong_entries
from loadtests.faults.stream_audit import StreamAudit, impatient_client
from loadtests.shared.arrivals import Completeness
from loadtests.shared.sqs_consumer import SqsConsumer, stack_sqs_client
from rtp_client.keys import STREAM, cache_key
from tests.eventually import eventually

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

    from core.stack import EmbeddedStack
    from tests.conftest import SqsQueue

ENTITY = "tvl:ethereum:p1"


def event(number: int) -> str:
    """One entity's how many'th event; its sequence is ten times that number."""
    data = {"kind": "tvl", "chain": "ethereum", "entity": "p1", "current": str(number + 1)}
    return json.dumps({"sequence": f"{number * 10:020}", "data": data})


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of an empty Redis."""
    with closing(impatient_client(redis_url)) as one:
        yield one


# The stream


def test_the_stream_is_read_in_its_order(client: redis.Redis, redis_url: str) -> None:
    for number in (1, 4, 3, 5):
        client.xadd(STREAM, {"event": event(number)})
    stream = StreamAudit(redis_url)
    stream.start()
    try:
        eventually(stream.has_read_all)
    finally:
        stream.stop()
    assert stream.arrivals.arrived().completeness({ENTITY: 5}) == Completeness(
        received=4, lost=1, repeated=0, out_of_order=1, phantoms=0
    )


# The cache


def cached(client: redis.Redis, number: int) -> None:
    client.hset(cache_key("tvl", "ethereum", "p1"), mapping={"event": event(number)})


def test_the_newest_event_in_the_cache_is_right(client: redis.Redis) -> None:
    cached(client, 5)
    assert wrong_entries(client, {ENTITY: 5}) == []


def test_a_stale_entry_is_wrong_also_while_writers_go_on(client: redis.Redis) -> None:
    cached(client, 4)
    said = [f"{ENTITY}: 4 in the cache, not 5"]
    assert wrong_entries(client, {ENTITY: 5}) == wrong_entries(client, {ENTITY: 5}, may_be_newer=True) == said


def test_a_missing_entry_is_wrong(client: redis.Redis) -> None:
    assert wrong_entries(client, {ENTITY: 5}) == [f"{ENTITY}: nothing in the cache, not 5"]


def test_an_entry_that_nobody_committed_is_wrong(client: redis.Redis) -> None:
    cached(client, 6)
    assert wrong_entries(client, {ENTITY: 5}) == [f"{ENTITY}: 6 in the cache, not 5"]


def test_an_entity_that_has_not_moved_needs_no_entry(client: redis.Redis) -> None:
    assert wrong_entries(client, {ENTITY: 0}) == []


def test_the_cache_is_filled_once_rtp_says_so_of_this_run_of_the_server(client: redis.Redis) -> None:
    run = dict(client.info("server"))["run_id"]
    found = [is_filled(client)]
    for marker in ("filling 0011", "filled from 42 in run of-before", f"filled from 42 in run {run}"):
        client.set(CACHE_MARKER, marker)
        found.append(is_filled(client))
    assert found == [False, False, False, True]


# The queue


FIFO: Mapping[QueueAttributeNameType, str] = {"FifoQueue": "true"}


def send(client: SQSClient, queue: SqsQueue, *numbers: int) -> None:
    for number in numbers:
        client.send_message(
            QueueUrl=queue.url, MessageBody=event(number), MessageGroupId="p1", MessageDeduplicationId=str(number)
        )


def receiver(queue: SqsQueue) -> ReceivingClient:
    return receiving_client(SqsSettings(endpoint_url=queue.endpoint_url, region=queue.region, queue=queue.name))


def test_a_message_that_was_accepted_and_never_comes_is_waited_for(stack: EmbeddedStack, sqs_queue: SqsQueue) -> None:
    alerts = AlertAudit(stack.addresses, sqs_queue.url)
    alerts.note_accepted([event(1)])
    assert (alerts.waiting, alerts.received.behind({ENTITY: 1})) == (1, [f"{ENTITY} at 0, not 1"])


def test_several_consumers_at_a_time_find_each_entity_in_order(stack: EmbeddedStack, sqs_queue: SqsQueue) -> None:
    numbers = range(1, 101)
    alerts = AlertAudit(stack.addresses, sqs_queue.url)
    alerts.start()
    try:
        with closing(stack_sqs_client(stack.addresses)) as client:
            for number in numbers:
                send(client, sqs_queue, number)
                alerts.note_accepted([event(number)])
        eventually(lambda: not alerts.waiting)
    finally:
        alerts.stop()
    assert alerts.received.arrived().completeness({ENTITY: 100}) == Completeness(100, 0, 0, 0, 0)


def test_a_message_that_is_somebody_elses_goes_back(stack: EmbeddedStack, sqs_queue: SqsQueue) -> None:
    seen: list[str] = []

    def refuse(body: str, _: float) -> bool:
        seen.append(body)
        return False

    with closing(stack_sqs_client(stack.addresses)) as client:
        # Of its own, without a dead letter queue: until the consumer has stopped, the message comes back to it.
        name = f"plain-{sqs_queue.name}"
        queue = replace(sqs_queue, name=name, url=client.create_queue(QueueName=name, Attributes=FIFO)["QueueUrl"])
        send(client, queue, 1)
        consumer = SqsConsumer([receiver(queue)], queue.url, refuse)
        consumer.start()
        eventually(lambda: seen)
        consumer.stop()
        assert [message["Body"] for message in client.receive_message(QueueUrl=queue.url)["Messages"]] == [event(1)]


def test_a_consumer_that_stops_when_empty_leaves_nothing(stack: EmbeddedStack, sqs_queue: SqsQueue) -> None:
    seen: list[str] = []
    with closing(stack_sqs_client(stack.addresses)) as client:
        send(client, sqs_queue, *range(1, 26))
        consumer = SqsConsumer([receiver(sqs_queue)], sqs_queue.url, lambda body, _: seen.append(body))
        consumer.start()
        eventually(lambda: seen)
        consumer.stop(when_empty=True)
    assert seen == [event(number) for number in range(1, 26)]
