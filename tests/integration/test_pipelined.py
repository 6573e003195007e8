"""Redis gets the next batch before it has answered the last one, and takes them in order or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import redis

from core.errors import LeadershipLost, SinkUnavailable
from core.leading.epoch import Epoch
from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from rtp_client.keys import STREAM, cache_key
from tests.eventually import eventually
from tests.held_redis import held
from tests.samples import make_event

if TYPE_CHECKING:
    from rtp_client.event import Event


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def sink(redis_url: str) -> Iterator[RedisSink]:
    """The sink of the leader of epoch 4; a full batch has two events."""
    settings = RedisSettings(batch_size=2, timeout_seconds=0.3)
    with closing(RedisSink(settings, url=redis_url, poll_interval_seconds=0.001)) as sink:
        sink.epoch = Epoch(4)
        sink.open()
        yield sink


def batch(*sequences: int) -> list[Event]:
    return [make_event(sequence) for sequence in sequences]


def send(sink: RedisSink, *batches: list[Event]) -> None:
    for one in batches:
        sink.handover.add(one)
        sink.handover.start()


def answered(sink: RedisSink) -> list[int]:
    """The sequences of all events with an answer, once nothing is under way any more."""
    events: list[Event] = []

    def take() -> bool:
        for answer in sink.handover.take_answers():
            events.extend(answer.events)
        return not sink.handover.is_under_way

    eventually(take)
    return [int(event.sequence) for event in events]


def in_stream(client: redis.Redis) -> list[int]:
    entries: Any = client.xrange(STREAM)
    return [int(fields["sequence"]) for _, fields in entries]


def test_the_next_batch_is_sent_before_the_last_one_is_answered(sink: RedisSink, client: redis.Redis) -> None:
    with held(client):
        send(sink, batch(1, 2), batch(3, 4))
        assert sink.handover.is_under_way
    assert (answered(sink), in_stream(client)) == ([1, 2, 3, 4], [1, 2, 3, 4])


def test_a_third_batch_waits_for_the_first_ones_answer(sink: RedisSink, client: redis.Redis) -> None:
    with held(client), pytest.raises(SinkUnavailable, match="Timeout reading"):
        send(sink, batch(1, 2), batch(3, 4), batch(5, 6))


def test_a_server_that_never_answers_a_full_batch_is_unavailable(sink: RedisSink, client: redis.Redis) -> None:
    with held(client):
        send(sink, batch(1, 2))
        with pytest.raises(SinkUnavailable, match="Timeout reading"):
            answered(sink)


def test_a_batch_that_is_not_full_is_waited_for(sink: RedisSink) -> None:
    send(sink, batch(1, 2), batch(3))
    assert [len(answer.events) for answer in sink.handover.take_answers()] == [2, 1]


def test_two_batches_on_a_lost_connection_are_sent_again_in_order(sink: RedisSink, client: redis.Redis) -> None:
    with held(client):
        send(sink, batch(1, 2), batch(3, 4))
        client.client_kill_filter(skipme=True, _type="normal")
        with pytest.raises(SinkUnavailable):
            answered(sink)
    sink.open()
    assert sink.handover.has_to_start
    sink.handover.start()
    assert (answered(sink), in_stream(client)) == ([1, 2, 3, 4], [1, 2, 3, 4])


def test_what_is_sent_again_overwrites_nothing_newer(sink: RedisSink, client: redis.Redis) -> None:
    send(sink, batch(3, 4))
    assert answered(sink) == [3, 4]
    send(sink, batch(1, 2), batch(3, 4))
    assert answered(sink) == [1, 2, 3, 4]
    assert int(str(client.hget(cache_key("tvl", "ethereum", "lido"), "sequence"))) == 4


def test_a_batch_is_not_taken_where_the_one_before_it_was_not(sink: RedisSink, client: redis.Redis) -> None:
    sink.send(batch(3, 4), behind=batch(1, 2))
    assert (sink.receive(), client.keys("rtp:cache:*"), in_stream(client)) == (None, [], [])


def test_a_batch_that_somebody_elses_entry_got_ahead_of_is_sent_again(sink: RedisSink, client: redis.Redis) -> None:
    with held(client):
        send(sink, batch(1, 2))
    assert eventually(lambda: in_stream(client) == [1, 2])
    client.xadd(STREAM, {"sequence": "0", "event": "{}"})
    send(sink, batch(3, 4))
    assert (answered(sink), in_stream(client)) == ([1, 2, 3, 4], [1, 2, 0, 3, 4])


def test_two_batches_that_an_unknown_script_was_to_take_are_sent_again(sink: RedisSink, client: redis.Redis) -> None:
    client.script_flush()
    send(sink, batch(1, 2), batch(3, 4))
    assert (answered(sink), in_stream(client)) == ([1, 2, 3, 4], [1, 2, 3, 4])


def test_two_batches_to_a_server_without_memory_are_sent_again_once_confirmed(
    sink: RedisSink, client: redis.Redis
) -> None:
    client.flushall()
    sink.epoch = epoch = Confirmed(4)
    send(sink, batch(1, 2), batch(3, 4))
    assert (answered(sink), in_stream(client), epoch.asked) == ([1, 2, 3, 4], [1, 2, 3, 4], 1)


class Confirmed(Epoch):
    """An epoch that counts how often it was asked whether it is confirmed, and is."""

    asked = 0

    def wait_until_confirmed(self) -> None:
        self.asked += 1


def test_a_later_leader_ends_both(sink: RedisSink, redis_url: str, client: redis.Redis) -> None:
    with closing(RedisSink(RedisSettings(), url=redis_url, poll_interval_seconds=0.001)) as later:
        later.epoch = Epoch(5)
        later.open()
    send(sink, batch(1, 2), batch(3, 4))
    with pytest.raises(LeadershipLost):
        answered(sink)
    assert in_stream(client) == []


def test_what_was_dropped_is_not_taken_for_a_later_answer(sink: RedisSink, client: redis.Redis) -> None:
    with held(client):
        send(sink, batch(1, 2), batch(3, 4))
        sink.handover.drop()
    send(sink, batch(5))
    assert answered(sink) == [5]


def test_finishing_takes_the_answers_that_come_in_time(sink: RedisSink) -> None:
    send(sink, batch(1, 2), batch(3, 4))
    assert [len(answer.events) for answer in sink.handover.finish(5)] == [2, 2]


def test_finishing_ends_in_time_without_an_answer(sink: RedisSink, client: redis.Redis) -> None:
    with held(client):
        send(sink, batch(1, 2))
        assert sink.handover.finish(0.05) == []
    assert not sink.handover.is_under_way
