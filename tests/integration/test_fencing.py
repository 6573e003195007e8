"""What a former leader still has in hand when another one leads: nothing of it gets through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis

from core.errors import LeadershipLost, LogMismatch
from core.leading.epoch import Epoch
from core.log.dead_event import DeadEvent
from core.log.reader import LogReader
from core.processor.build import postgres_server
from core.redis_names import FENCE
from core.services.queue_client import queue_client
from core.settings.models import RedisSettings, Settings, SqsSettings
from core.sinks.redis import RedisSink
from core.sinks.sqs.sink import SqsSink
from rtp_client.keys import STREAM
from tests.faulty_sqs import faulty_sqs
from tests.samples import make_event
from tests.waiting import count_waiting

if TYPE_CHECKING:
    from tests.conftest import SqsQueue


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def redis_sink(url: str, epoch: int) -> RedisSink:
    sink = RedisSink(RedisSettings(), url=url, poll_interval_seconds=0.001)
    sink.epoch = Epoch(epoch)
    return sink


@pytest.fixture
def before(redis_url: str) -> Iterator[RedisSink]:
    """The sink of the leader of epoch 3."""
    with closing(redis_sink(redis_url, 3)) as sink:
        yield sink


@pytest.fixture
def now(redis_url: str) -> Iterator[RedisSink]:
    """The sink of the leader of epoch 4."""
    with closing(redis_sink(redis_url, 4)) as sink:
        yield sink


def sequences(client: redis.Redis) -> list[str]:
    entries: Any = client.xrange(STREAM)
    return [fields["sequence"] for _, fields in entries]


# Redis


def test_an_earlier_epochs_batch_is_refused_as_a_whole(before: RedisSink, now: RedisSink, client: redis.Redis) -> None:
    before.open()
    now.open()
    with pytest.raises(LeadershipLost) as lost:
        before.deliver([make_event(1), make_event(2, "aave")])
    assert (lost.value.surpassed_by, client.keys("rtp:cache:*"), client.exists(STREAM)) == (4, [], 0)


def test_the_next_leader_is_known_before_it_delivers(before: RedisSink, now: RedisSink, client: redis.Redis) -> None:
    before.open()
    now.open()
    assert client.get(FENCE) == "4"


def test_an_earlier_epoch_cannot_even_open(before: RedisSink, now: RedisSink) -> None:
    now.open()
    with pytest.raises(LeadershipLost):
        before.open()


def test_a_later_epoch_is_taken_without_opening(before: RedisSink, now: RedisSink, client: redis.Redis) -> None:
    before.open()
    now.deliver([make_event(1)])
    assert (client.get(FENCE), len(sequences(client))) == ("4", 1)


def test_without_an_epoch_nothing_is_refused(now: RedisSink, redis_url: str, client: redis.Redis) -> None:
    now.open()
    with closing(redis_sink(redis_url, 0)) as by_hand:
        by_hand.deliver([make_event(1)])
    assert (client.get(FENCE), len(sequences(client))) == ("4", 1)


class Confirmations(Epoch):
    """An epoch that notes when it was asked whether it is still confirmed; `answer` is what happens then."""

    def __init__(self, epoch: int, answer: type[Exception] | None = None) -> None:
        super().__init__(epoch)
        self.asked = 0
        self._answer = answer

    def wait_until_confirmed(self) -> None:
        self.asked += 1
        if self._answer:
            raise self._answer("no")


@pytest.mark.parametrize("memory", ["lost", "of another type"])
def test_redis_without_memory_takes_what_the_database_confirms(
    now: RedisSink, client: redis.Redis, memory: str
) -> None:
    now.epoch = epoch = Confirmations(4)
    now.open()
    client.flushall()
    if memory == "of another type":
        client.lpush(FENCE, "4")
    now.deliver([make_event(1)])
    assert (epoch.asked, client.get(FENCE), len(sequences(client))) == (1, "4", 1)


def test_redis_without_memory_takes_nothing_that_the_database_does_not_confirm(
    before: RedisSink, client: redis.Redis
) -> None:
    before.epoch = Confirmations(3, LeadershipLost)
    with pytest.raises(LeadershipLost):
        before.deliver([make_event(1)])
    assert client.keys("*") == []


# The cursor


@pytest.fixture
def readers(installed: Settings, writer: psycopg.Connection) -> Iterator[tuple[LogReader, LogReader]]:
    """The leader of epoch 3, which has read an event, and the leader of epoch 4, which has taken the cursor."""
    first, second = (LogReader(postgres_server(installed), "redis") for _ in range(2))
    first.epoch, second.epoch = 3, 4
    with closing(first), closing(second):
        first.open()
        writer.execute("INSERT INTO protocols (protocol, name, source) VALUES ('lido', 'Lido', 'llama')")
        first.advance(first.read(10))
        second.open()
        yield first, second


def test_a_cursor_that_a_later_epoch_has_taken_cannot_be_moved(
    readers: tuple[LogReader, LogReader], writer: psycopg.Connection
) -> None:
    with pytest.raises(LeadershipLost) as lost:
        readers[0].save()
    assert (lost.value.surpassed_by, count_waiting(writer, "redis")) == (4, 1)


def test_nor_can_dead_letters_be_left(readers: tuple[LogReader, LogReader], writer: psycopg.Connection) -> None:
    with pytest.raises(LeadershipLost):
        readers[0].save(None, [DeadEvent(1, "{}", "refused", 1, NOW, NOW)])
    assert writer.execute("SELECT count(*) FROM rtp.dead_letter").fetchone() == (0,)


def test_nor_can_it_be_taken_back(readers: tuple[LogReader, LogReader]) -> None:
    with pytest.raises(LeadershipLost):
        readers[0].open()


def test_who_has_it_moves_it(readers: tuple[LogReader, LogReader], writer: psycopg.Connection) -> None:
    readers[1].advance(readers[1].read(10))
    readers[1].save()
    assert count_waiting(writer, "redis") == 0


def test_a_cursor_of_another_log_is_still_refused(
    readers: tuple[LogReader, LogReader], writer: psycopg.Connection
) -> None:
    writer.execute("UPDATE rtp.cursor SET table_oid = 1")
    with pytest.raises(LogMismatch):
        readers[1].open()


# SQS


def test_nothing_is_sent_once_an_epoch_is_not_good(sqs_queue: SqsQueue) -> None:
    with faulty_sqs(sqs_queue.endpoint_url) as passing:
        settings = SqsSettings(queue=sqs_queue.name, endpoint_url=passing.url, region=sqs_queue.region)
        with closing(SqsSink(settings, queue_client(settings))) as sink:
            sink.epoch = Epoch(3)
            sink.open()
            sink.epoch.end()
            with pytest.raises(LeadershipLost):
                sink.deliver([make_event(1)])
        assert passing.batches == []


def test_a_request_that_is_sent_again_is_asked_about_again(sqs_queue: SqsQueue) -> None:
    epoch = Epoch(3)
    asked: list[int] = []

    def end() -> None:
        asked.append(epoch.number)
        epoch.end()

    with faulty_sqs(sqs_queue.endpoint_url) as passing:
        settings = SqsSettings(queue=sqs_queue.name, endpoint_url=passing.url, region=sqs_queue.region)
        with closing(SqsSink(settings, queue_client(settings))) as sink:
            sink.epoch = epoch
            sink.open()
            sink.deliver([make_event(1)])
            passing.batches_before_hanging_up = 1
            passing.on_hanging_up = end
            with pytest.raises(LeadershipLost):
                sink.deliver([make_event(2)])  # over the connection that was kept
        assert asked == [3]


def test_each_request_of_a_delivery_is_asked_about(sqs_queue: SqsQueue) -> None:
    epoch = Epoch(3)
    with faulty_sqs(sqs_queue.endpoint_url) as passing:
        settings = SqsSettings(queue=sqs_queue.name, endpoint_url=passing.url, region=sqs_queue.region)
        with closing(SqsSink(settings, queue_client(settings))) as sink:
            sink.epoch = epoch
            sink.open()
            passing.on_batch = epoch.end
            with pytest.raises(LeadershipLost):
                sink.deliver([make_event(1), make_event(2)])  # of one group: two requests
        assert len(passing.batches) == 1
