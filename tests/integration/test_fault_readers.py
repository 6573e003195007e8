"""What the fault suite's readers make of a real Redis and a real queue: they must see what is wrong there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
import redis

from core.redis_names import CACHE_MARKER
from loadtests.faults.alerts import Alerts, sqs_consumer_client
from loadtests.faults.cache_check import is_filled, wrong_entries
from loadtests.faults.readers import StreamReader, impatient_client
from rtp_client.keys import STREAM, cache_key
from tests.eventually import eventually

if TYPE_CHECKING:
    from core.stack import EmbeddedStack
    from tests.conftest import SqsQueue

ENTITY = "tvl:ethereum:p1"


def event(value: int) -> str:
    """The event of one entity's step to this value; its sequence is ten times the value."""
    data = {"kind": "tvl", "chain": "ethereum", "entity": "p1", "current": str(value)}
    return json.dumps({"sequence": f"{value * 10:020}", "data": data})


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of an empty Redis."""
    with closing(impatient_client(redis_url)) as one:
        yield one


# The stream


@contextmanager
def reader_of(client: redis.Redis, url: str, *values: int) -> Iterator[StreamReader]:
    """One that has read these values, in this order."""
    for value in values:
        client.xadd(STREAM, {"event": event(value)})
    reader = StreamReader(url)
    reader.start()
    try:
        eventually(reader.has_read_all)
        yield reader
    finally:
        reader.stop()


def test_what_is_not_in_the_stream_is_lost(client: redis.Redis, redis_url: str) -> None:
    with reader_of(client, redis_url, 2, 4, 5) as reader:
        assert (reader.tally.missing({ENTITY: 5}), reader.tally.reordered) == (1, 0)


def test_a_swapped_pair_in_the_stream_is_reordered(client: redis.Redis, redis_url: str) -> None:
    with reader_of(client, redis_url, 2, 4, 3, 5) as reader:
        assert (reader.tally.missing({ENTITY: 5}), reader.tally.reordered) == (0, 1)


def test_a_stream_that_holds_all_in_order_is_right(client: redis.Redis, redis_url: str) -> None:
    with reader_of(client, redis_url, 2, 3, 4, 5) as reader:
        assert (reader.tally.missing({ENTITY: 5}), reader.tally.reordered) == (0, 0)


# The cache


def cached(client: redis.Redis, value: int) -> None:
    client.hset(cache_key("tvl", "ethereum", "p1"), mapping={"sequence": f"{value * 10:020}", "event": event(value)})


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
    assert wrong_entries(client, {ENTITY: 1}) == []


def test_the_cache_is_filled_once_rtp_says_so_of_this_run_of_the_server(client: redis.Redis) -> None:
    run = dict(client.info("server"))["run_id"]
    found = [is_filled(client)]
    for marker in ("filling 0011", "filled from 42 in run of-before", f"filled from 42 in run {run}"):
        client.set(CACHE_MARKER, marker)
        found.append(is_filled(client))
    assert found == [False, False, False, True]


# The queue


def test_a_message_that_was_accepted_and_never_comes_is_waited_for(stack: EmbeddedStack, sqs_queue: SqsQueue) -> None:
    alerts = Alerts(stack.addresses, sqs_queue.url)
    alerts.note_accepted([event(2)])
    assert (alerts.waiting, alerts.received.missing({ENTITY: 2})) == (1, 1)


def test_several_consumers_at_a_time_find_each_entity_in_order(stack: EmbeddedStack, sqs_queue: SqsQueue) -> None:
    alerts = Alerts(stack.addresses, sqs_queue.url)
    alerts.start()
    try:
        with closing(sqs_consumer_client(stack.addresses)) as client:
            for value in range(2, 102):
                body = event(value)
                client.send_message(
                    QueueUrl=sqs_queue.url, MessageBody=body, MessageGroupId="p1", MessageDeduplicationId=str(value)
                )
                alerts.note_accepted([body])
        eventually(lambda: not alerts.waiting)
    finally:
        alerts.stop()
    tally = alerts.received
    assert (tally.events, tally.missing({ENTITY: 101}), tally.reordered) == (100, 0, 0)
