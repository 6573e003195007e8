"""The stream, followed: nothing is missed, nothing comes twice, and what cannot be shown is said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any

import pytest
import redis

from core.errors import ServiceUnavailable
from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from core.stack import EmbeddedStack
from rtp_client.backoff import Backoff
from rtp_client.event import format_sequence
from rtp_client.keys import STREAM
from rtp_client.stream.entries import PAGE
from rtp_client.stream.event_stream import EventStream, TailedEvent
from rtp_client.stream.position import Position
from tests.eventually import eventually
from tests.samples import make_event

Deliver = Callable[..., object]
BLOCKED = "xread"


@pytest.fixture
def deliver(redis_url: str) -> Iterator[Deliver]:
    """Delivers events of these sequences, in one batch, as rtp does."""
    with closing(RedisSink(RedisSettings(), url=redis_url, poll_interval_seconds=0.001)) as sink:
        yield lambda *sequences: sink.deliver([make_event(sequence) for sequence in sequences])


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(redis_url, decode_responses=True)) as client:
        yield client


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def stream(redis_url: str, notices: list[str]) -> Iterator[EventStream]:
    with make_stream(redis_url, notices) as stream:
        yield stream


def make_stream(url: str, notices: list[str]) -> EventStream:
    return EventStream(url, on_notice=notices.append, backoff=Backoff(0.001, 0.02), timeout_seconds=2)


def sequences(events: Iterator[TailedEvent], count: int) -> list[int]:
    return [int(tailed.event.sequence) for tailed in islice(events, count)]


@contextmanager
def reading(stream: EventStream, since: int | None = None) -> Iterator[list[int]]:
    """Follow in a thread; the sequences as they come."""
    seen: list[int] = []
    events = stream.follow(since)
    thread = threading.Thread(target=lambda: seen.extend(int(one.event.sequence) for one in events))
    thread.start()
    try:
        yield seen
    finally:
        stream.close()
        thread.join(timeout=10)
        assert not thread.is_alive()


def readers(client: redis.Redis) -> list[dict[str, Any]]:
    return [one for one in client.client_list() if one["name"] == "rtp-tail" and one["cmd"] == BLOCKED]


def kill_readers(client: redis.Redis) -> int:
    found = readers(client)
    for one in found:
        client.client_kill_filter(_id=one["id"])
    return len(found)


def test_an_event_comes_as_it_was_published(deliver: Deliver, client: redis.Redis, stream: EventStream) -> None:
    deliver(1)
    tailed = next(stream.follow(0))
    entries: Any = client.xrange(STREAM)
    [(entry_id, fields)] = entries
    assert tailed.event == make_event(1)
    assert tailed.document == make_event(1).json_bytes == fields["event"].encode()
    assert tailed.delivered_at_ms == int(entry_id.partition("-")[0])


def test_live_begins_at_the_call(deliver: Deliver, stream: EventStream) -> None:
    deliver(1, 2)
    events = stream.follow()
    deliver(3, 4)
    assert sequences(events, 2) == [3, 4]


def test_live_begins_before_there_is_a_stream(deliver: Deliver, stream: EventStream, notices: list[str]) -> None:
    events = stream.follow()
    deliver(1, 2)
    assert sequences(events, 2) == [1, 2]
    assert notices == []


def test_replay_goes_on_as_live(deliver: Deliver, stream: EventStream, notices: list[str]) -> None:
    deliver(1, 2, 3)
    events = stream.follow(1)
    deliver(4)
    assert sequences(events, 3) == [2, 3, 4]
    deliver(5)
    assert sequences(events, 1) == [5]
    assert notices == []


def test_zero_means_all(deliver: Deliver, stream: EventStream, notices: list[str]) -> None:
    deliver(1, 2)
    assert sequences(stream.follow(0), 2) == [1, 2]
    assert notices == []


def test_no_gap_between_replay_and_live_while_events_keep_coming(deliver: Deliver, redis_url: str) -> None:
    total, started = 6 * PAGE, threading.Event()

    def write() -> None:
        for first in range(1, total, 30):
            deliver(*range(first, first + 30))
            if first > 2 * PAGE:
                started.set()

    writer = threading.Thread(target=write)
    writer.start()
    started.wait(timeout=10)
    try:
        for since in (0, 1, PAGE - 1, PAGE, 2 * PAGE):
            notices: list[str] = []
            with make_stream(redis_url, notices) as stream:
                wanted = list(range(since + 1, total + 1))
                assert sequences(stream.follow(since), len(wanted)) == wanted
            assert notices == []
    finally:
        writer.join()


@pytest.mark.parametrize(("since", "expected"), [(1, [2, 5, 6, 3, 4, 7]), (5, [6, 3, 4, 7]), (6, [3, 4, 7]), (4, [7])])
def test_since_is_a_place_in_the_order_of_delivery(
    deliver: Deliver, stream: EventStream, since: int, expected: list[int]
) -> None:
    deliver(1, 2, 5, 6)
    deliver(3, 4)  # a long transaction's
    deliver(7)
    assert sequences(stream.follow(since), len(expected)) == expected


def test_a_position_is_gone_on_from_in_another_process(
    deliver: Deliver, redis_url: str, stream: EventStream, notices: list[str]
) -> None:
    deliver(1, 2, 5)
    position = list(islice(stream.follow(0), 2))[-1].position
    deliver(3)  # a long transaction's
    deliver(1, 2)  # after a crash
    with make_stream(redis_url, notices) as another:
        assert sequences(another.follow(Position.parse(str(position))), 2) == [5, 3]
    assert notices == []


def test_a_position_in_a_redis_that_was_filled_anew_is_behind_the_same_event_and_a_gap_is_told(
    deliver: Deliver, client: redis.Redis, stream: EventStream, notices: list[str]
) -> None:
    deliver(1, 2)
    position = next(stream.follow(0)).position
    client.delete(STREAM)
    deliver(1, 2)
    assert sequences(stream.follow(position), 1) == [2]
    assert notices == [
        "the stream was filled anew since; going on behind the same event, before which others may be missing"
    ]


@pytest.mark.parametrize("was_trimmed", [False, True])
def test_a_position_in_an_empty_stream_is_before_all_that_came(
    deliver: Deliver, client: redis.Redis, stream: EventStream, notices: list[str], was_trimmed: bool
) -> None:
    position = stream.end()
    deliver(1, 2)
    if was_trimmed:
        client.xtrim(STREAM, maxlen=1, approximate=False)
    assert sequences(stream.follow(position), 1) == [2 if was_trimmed else 1]
    assert notices == ["the stream was empty, and the events that came first are no longer in Redis"] * was_trimmed


def test_a_redelivered_event_is_shown_once(deliver: Deliver, stream: EventStream) -> None:
    deliver(1, 2, 3)
    events = stream.follow(0)
    assert sequences(events, 2) == [1, 2]
    deliver(2, 3, 4)
    assert sequences(events, 2) == [3, 4]
    deliver(1, 4, 5)
    assert sequences(events, 1) == [5]


def test_since_an_event_that_was_delivered_twice_begins_at_the_first(deliver: Deliver, stream: EventStream) -> None:
    deliver(5, 6, 7, 4)
    deliver(4, 5, 6, 7)  # after a crash, and in another order
    deliver(8)
    assert sequences(stream.follow(5), 4) == [6, 7, 4, 8]


def test_a_sequence_of_an_earlier_log_is_another_event(
    deliver: Deliver, client: redis.Redis, stream: EventStream
) -> None:
    client.xadd(STREAM, {"sequence": format_sequence(2), "event": make_event(2, "old").json_bytes})
    deliver(1, 2, 3)
    assert sequences(stream.follow(2), 1) == [3]


@pytest.mark.parametrize("since", [0, 3, 5])
def test_a_trimmed_stream_says_where_it_begins(
    deliver: Deliver, client: redis.Redis, stream: EventStream, notices: list[str], since: int
) -> None:
    deliver(*range(1, 11))
    client.xtrim(STREAM, maxlen=4, approximate=False)
    assert sequences(stream.follow(since), 4) == [7, 8, 9, 10]
    assert notices == ["the stream begins at sequence 7; older events are no longer in Redis"]


def test_all_of_a_stream_that_was_never_trimmed_begins_without_a_word(
    deliver: Deliver, stream: EventStream, notices: list[str]
) -> None:
    deliver(1_795_752_592_603_184)  # sequences begin at the clock's microseconds
    assert sequences(stream.follow(0), 1) == [1_795_752_592_603_184]
    assert notices == []


def test_nothing_is_missing_right_before_the_oldest(
    deliver: Deliver, client: redis.Redis, stream: EventStream, notices: list[str]
) -> None:
    deliver(*range(1, 11))
    client.xtrim(STREAM, maxlen=4, approximate=False)
    assert sequences(stream.follow(6), 4) == [7, 8, 9, 10]
    assert notices == []


def test_a_sequence_that_never_was(deliver: Deliver, stream: EventStream, notices: list[str]) -> None:
    deliver(1, 2, 4, 5)
    assert sequences(stream.follow(3), 2) == [4, 5]
    assert notices == ["sequence 3 is not in Redis; starting at sequence 4"]


@pytest.mark.parametrize("before", [(), (1, 2)])
def test_a_sequence_that_is_still_to_come(
    deliver: Deliver, stream: EventStream, notices: list[str], before: tuple[int, ...]
) -> None:
    if before:
        deliver(*before)
    events = stream.follow(99)
    deliver(3)
    assert sequences(events, 1) == [3]
    assert notices == ["Redis holds neither sequence 99 nor a later one; waiting for new events"]


def test_killed_connections_cost_nothing(
    deliver: Deliver, client: redis.Redis, stream: EventStream, notices: list[str]
) -> None:
    with reading(stream) as seen:
        for first in range(1, 101, 10):
            assert eventually(lambda: kill_readers(client))
            deliver(*range(first, first + 10))
        assert eventually(lambda: len(seen) >= 100)
        assert eventually(lambda: notices[-1] == "Redis answers again")
    assert seen == list(range(1, 101))
    assert "is not reachable" in notices[0]
    assert notices[0].endswith("; trying again")


def test_a_redis_that_is_lost_is_told_and_its_return(client: redis.Redis, redis_url: str) -> None:
    told: list[bool] = []
    with EventStream(redis_url, on_live=told.append, backoff=Backoff(0.001, 0.02)) as stream, reading(stream):
        assert eventually(lambda: kill_readers(client))
        assert eventually(lambda: told == [False, True])


def test_an_outage_is_survived(stack: EmbeddedStack, deliver: Deliver, stream: EventStream, notices: list[str]) -> None:
    deliver(1)
    with reading(stream, 0) as seen:
        assert eventually(lambda: seen == [1])
        stack.redis.pause()
        try:
            assert eventually(lambda: notices)
        finally:
            stack.redis.resume()
        deliver(2)
        assert eventually(lambda: seen == [1, 2])


def test_an_emptied_redis_is_said_and_new_events_come(
    deliver: Deliver, client: redis.Redis, stream: EventStream, notices: list[str]
) -> None:
    deliver(1, 2)
    with reading(stream, 0) as seen:
        assert eventually(lambda: seen == [1, 2])
        client.flushall()
        assert eventually(lambda: notices)
        deliver(3)
        assert eventually(lambda: seen == [1, 2, 3])
    assert notices == ["the stream is gone from Redis, with whatever was not shown yet; going on with new events"]


def test_a_redis_that_restarted_empty_and_went_on_is_said(
    stack: EmbeddedStack, deliver: Deliver, stream: EventStream, notices: list[str]
) -> None:
    deliver(1)
    events = stream.follow(0)
    assert sequences(events, 1) == [1]
    deliver(2)
    stack.redis.restart()
    eventually(lambda: delivers(deliver, 3))
    deliver(4)
    assert sequences(events, 2) == [3, 4]
    assert notices[-1] == "the stream now begins at sequence 3; events before it left Redis before they were shown"


def delivers(deliver: Deliver, sequence: int) -> bool:
    try:
        deliver(sequence)
    except ServiceUnavailable:
        return False
    return True


def test_a_reader_that_falls_behind_the_trimming_is_told(
    deliver: Deliver, client: redis.Redis, stream: EventStream, notices: list[str]
) -> None:
    deliver(1, 2)
    events = stream.follow(0)
    assert sequences(events, 2) == [1, 2]
    deliver(*range(3, 11))
    client.xtrim(STREAM, maxlen=3, approximate=False)
    assert sequences(events, 3) == [8, 9, 10]
    assert notices == ["the stream now begins at sequence 8; events before it left Redis before they were shown"]


def test_a_stream_whose_clock_went_back_is_gone_on_with(
    deliver: Deliver, client: redis.Redis, stream: EventStream, notices: list[str]
) -> None:
    deliver(1)
    with reading(stream, 0) as seen:
        assert eventually(lambda: seen == [1])
        with client.pipeline(transaction=True) as pipe:
            pipe.delete(STREAM)
            pipe.xadd(STREAM, {"sequence": format_sequence(2), "event": make_event(2).json_bytes}, id="5-1")
            pipe.execute()
        assert eventually(lambda: notices)
        client.xadd(STREAM, {"sequence": format_sequence(3), "event": make_event(3).json_bytes}, id="6-1")
        assert eventually(lambda: seen == [1, 3])
    assert notices == ["the stream in Redis is not the one that was followed; going on with its new events"]


def test_somebody_elses_entries_are_skipped(
    deliver: Deliver, client: redis.Redis, stream: EventStream, notices: list[str]
) -> None:
    deliver(1)
    for fields in ({"hello": "world"}, {"sequence": "9" * 5000, "event": "{}"}, {"sequence": "x", "event": "\x1b[31m"}):
        client.xadd(STREAM, fields)  # type: ignore[arg-type]
    deliver(2)
    assert sequences(stream.follow(1), 1) == [2]
    assert len(notices) == 3
    assert all("not an event" in notice for notice in notices)


@pytest.mark.parametrize("protocol", [2, 3])
def test_every_protocol_version_will_do(deliver: Deliver, redis_url: str, notices: list[str], protocol: int) -> None:
    deliver(1, 2)
    with make_stream(f"{redis_url}?protocol={protocol}", notices) as stream:
        assert sequences(stream.follow(1), 1) == [2]
    assert notices == []


def test_an_unreachable_redis_is_named_without_its_password(notices: list[str]) -> None:
    with (
        make_stream("redis://:s3cret@127.0.0.1:1/0", notices) as stream,
        pytest.raises(
            ServiceUnavailable, match=r"Redis at redis://:\*\*\*@127\.0\.0\.1:1/0 is not reachable"
        ) as caught,
    ):
        stream.follow()
    assert "s3cret" not in str(caught.value)


def test_a_wrong_password_is_not_tried_again(redis_url: str, notices: list[str]) -> None:
    host = redis_url.rpartition("@")[2]
    with make_stream(f"redis://:wrong@{host}", notices) as stream, pytest.raises(ServiceUnavailable):
        stream.follow()


def test_a_password_that_changes_meanwhile_ends_it(
    client: redis.Redis, redis_url: str, deliver: Deliver, stream: EventStream, notices: list[str]
) -> None:
    deliver(1)
    events = stream.follow(0)
    assert sequences(events, 1) == [1]
    password = redis_url.partition(":")[2].rpartition("@")[0].removeprefix("//:")
    client.config_set("requirepass", "another")
    try:
        client.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(ServiceUnavailable):
            next(events)
    finally:
        client.config_set("requirepass", password)


def test_a_key_of_another_type_is_said(client: redis.Redis, stream: EventStream) -> None:
    client.set(STREAM, "not a stream")
    with pytest.raises(ServiceUnavailable, match="WRONGTYPE"):
        stream.follow()


def test_close_ends_following_from_another_thread(stream: EventStream, client: redis.Redis) -> None:
    with reading(stream) as seen:
        assert eventually(lambda: readers(client))
    assert seen == []
