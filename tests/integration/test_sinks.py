"""Every sink keeps the same promises to the delivery loop, and each has promises of its own to its readers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import redis

from core.errors import SettingsError, SinkUnavailable
from core.services.queue_client import queue_client
from core.settings.models import RedisSettings, SqsSettings
from core.sinks import Sink
from core.sinks.redis import RedisSink
from core.sinks.registry import SINK_TYPES
from core.sinks.sqs.messages import BATCH_BYTES
from core.sinks.sqs.sink import SqsSink
from core.sinks.webhook.settings import WebhookSettings
from core.sinks.webhook.sink import WebhookSink
from rtp_client.event import Event
from rtp_client.keys import STREAM, cache_key, channel, channel_pattern
from tests.eventually import eventually
from tests.faulty_sqs import FaultySqs, faulty_sqs
from tests.file_sink import FILE, FileBench
from tests.queue_drain import drain
from tests.samples import make_event
from tests.webhook_server import Reply, WebhookServer, webhook_server

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_sqs import SQSClient

    from core.stack import EmbeddedStack
    from tests.conftest import SqsQueue


class Bench(Protocol):
    """A sink, and what a conformance test needs to know of its service."""

    sink: Sink

    def received(self) -> list[dict[str, Any]]:
        """Every event that arrived, in the order of arrival."""

    def latest(self) -> dict[str, Any]:
        """The newest event, as a reader of the service takes it to be."""

    def poison(self, sequence: int) -> Event:
        """An event that the service chokes on."""

    def frozen(self) -> AbstractContextManager[object]:
        """The service accepts connections and does not answer, for a while."""

    def crashed(self) -> AbstractContextManager[object]:
        """The service is gone, for a while."""


class RedisBench:
    def __init__(self, stack: EmbeddedStack, url: str) -> None:
        self._stack = stack
        self.client = redis.Redis.from_url(url, decode_responses=True)
        self.sink = RedisSink(RedisSettings(timeout_seconds=0.2), url=url, poll_interval_seconds=0.001)

    def received(self) -> list[dict[str, Any]]:
        entries: Any = self.client.xrange(STREAM)
        return [json.loads(fields["event"]) for _, fields in entries]

    def latest(self) -> dict[str, Any]:
        found: Any = self.client.hget(cache_key("tvl", "ethereum", "lido"), "event")
        return dict(json.loads(found))

    def poison(self, sequence: int) -> Event:
        self.client.set(cache_key("tvl", "ethereum", "poison"), "not a hash")
        return make_event(sequence, "poison")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self._stack.redis.pause()
        try:
            yield
        finally:
            self._stack.redis.resume()

    @contextmanager
    def crashed(self) -> Iterator[None]:
        self._stack.redis.kill()
        try:
            yield
        finally:
            self._stack.redis.start()


class SqsBench:
    def __init__(self, stack: EmbeddedStack, client: SQSClient, queue: SqsQueue) -> None:
        self._stack = stack
        self._client = client
        self._queue = queue
        place = SqsSettings(queue=queue.name, endpoint_url=queue.endpoint_url, region=queue.region, timeout_seconds=0.2)
        self.sink = SqsSink(place, queue_client(place))

    def received(self) -> list[dict[str, Any]]:
        return [json.loads(message["Body"]) for message in drain(self._client, self._queue.url)]

    def latest(self) -> dict[str, Any]:
        return self.received()[-1]

    def poison(self, sequence: int) -> Event:
        return make_event(sequence, "x" * BATCH_BYTES)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self._stack.sqs.pause()
        try:
            yield
        finally:
            self._stack.sqs.resume()

    @contextmanager
    def crashed(self) -> Iterator[None]:
        self._stack.sqs.kill()
        try:
            yield
        finally:
            self._stack.sqs.start()
            for name in (self._queue.name, self._queue.dlq_name):  # ministack forgets its queues
                self._client.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})


class WebhookBench:
    """A server that refuses events of the protocol `poison`."""

    def __init__(self, server: WebhookServer) -> None:
        self._server = server
        server.reply = lambda posted: Reply(422 if posted.names("poison") else 200)
        (webhook,) = WebhookSettings.model_validate({"url": server.url, "timeout_seconds": 0.2}).root.values()
        self.sink = WebhookSink(webhook)

    def received(self) -> list[dict[str, Any]]:
        return self._server.events

    def latest(self) -> dict[str, Any]:
        return max(self.received(), key=lambda event: str(event["sequence"]))

    def poison(self, sequence: int) -> Event:
        return make_event(sequence, "poison")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self._server.freeze()
        yield
        self._server.thaw()

    @contextmanager
    def crashed(self) -> Iterator[None]:
        self._server.kill()
        yield
        self._server.start()


SINKS_ON_THE_BENCH = [sink_type.section for sink_type in (*SINK_TYPES, FILE)]


@pytest.fixture(params=SINKS_ON_THE_BENCH)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made: Bench = request.getfixturevalue(f"{request.param}_bench")
    made.sink.open()
    yield made
    made.sink.close()


@pytest.fixture
def redis_bench(stack: EmbeddedStack, redis_url: str) -> Iterator[RedisBench]:
    made = RedisBench(stack, redis_url)
    with closing(made.client), closing(made.sink):
        yield made


@pytest.fixture
def sqs_bench(stack: EmbeddedStack, sqs_client: SQSClient, sqs_queue: SqsQueue) -> Iterator[SqsBench]:
    made = SqsBench(stack, sqs_client, sqs_queue)
    with closing(made.sink):
        yield made


@pytest.fixture
def webhook_bench() -> Iterator[WebhookBench]:
    with webhook_server() as server:
        made = WebhookBench(server)
        with closing(made.sink):
            yield made


@pytest.fixture
def file_bench(tmp_path: Path) -> FileBench:
    folder = tmp_path / "sink"
    folder.mkdir()
    return FileBench(folder)


def documents(events: list[Event]) -> list[dict[str, Any]]:
    return [json.loads(event.json_bytes) for event in events]


# What every sink promises


def test_an_event_arrives_as_it_was_made(bench: Bench) -> None:
    event = make_event(1)
    bench.sink.deliver([event])
    assert bench.received() == documents([event])


def test_a_delivered_batch_has_no_leftovers(bench: Bench) -> None:
    outcome = bench.sink.deliver([make_event(1), make_event(2)])
    assert (list(outcome.undelivered), list(outcome.rejected)) == ([], [])


def test_events_of_a_partition_key_arrive_in_order(bench: Bench) -> None:
    events = [make_event(sequence, f"p{sequence % 3}") for sequence in range(1, 40)]
    bench.sink.deliver(events[:25])
    bench.sink.deliver(events[25:])
    arrived = bench.received()
    per_key = [[event["sequence"] for event in arrived if event["data"]["entity"] == f"p{key}"] for key in range(3)]
    assert per_key == [[event.sequence for event in events if event.data.entity == f"p{key}"] for key in range(3)]


def test_delivering_old_events_again_leaves_the_newest_in_place(bench: Bench) -> None:
    events = [make_event(1), make_event(2)]
    bench.sink.deliver(events)
    bench.sink.deliver(events[:1])
    assert bench.latest()["sequence"] == events[1].sequence


@pytest.mark.parametrize("outage", ["frozen", "crashed"])
def test_an_outage_is_told_as_such(bench: Bench, outage: str) -> None:
    with getattr(bench, outage)(), pytest.raises(SinkUnavailable):
        bench.sink.deliver([make_event(1)])


@pytest.mark.parametrize("outage", ["frozen", "crashed"])
def test_a_sink_works_again_after_an_outage(bench: Bench, outage: str) -> None:
    event = make_event(1)
    with getattr(bench, outage)(), pytest.raises(SinkUnavailable):
        bench.sink.deliver([event])
    eventually(lambda: delivers(bench.sink, event))
    assert bench.latest() == documents([event])[0]


def delivers(sink: Sink, event: Event) -> bool:
    try:
        return not sink.deliver([event]).undelivered
    except SinkUnavailable:
        return False


@pytest.mark.parametrize("outage", ["frozen", "crashed"])
def test_a_sink_cannot_be_opened_during_an_outage(bench: Bench, outage: str) -> None:
    with getattr(bench, outage)(), pytest.raises(SinkUnavailable):
        bench.sink.open()


def test_an_event_that_the_service_chokes_on_does_not_block_its_neighbours(bench: Bench) -> None:
    neighbours = [make_event(1, "before"), make_event(3, "after")]
    bench.sink.deliver([neighbours[0], bench.poison(2), neighbours[1]])
    arrived = [event for event in bench.received() if event["data"]["entity"] in ("before", "after")]
    assert sorted(arrived, key=itemgetter("sequence")) == documents(neighbours)  # each is a group of its own


def test_a_closed_sink_can_be_closed_again(bench: Bench) -> None:
    bench.sink.close()
    bench.sink.close()


# Redis


def test_an_older_event_never_overwrites_a_newer_one(redis_bench: RedisBench) -> None:
    redis_bench.sink.deliver([make_event(10), make_event(9)])
    assert redis_bench.latest()["sequence"] == make_event(10).sequence


def test_the_cache_names_the_sequence_of_its_event(redis_bench: RedisBench) -> None:
    event = make_event(7)
    redis_bench.sink.deliver([event])
    assert redis_bench.client.hget(cache_key("tvl", "ethereum", "lido"), "sequence") == event.sequence


def test_a_cache_entry_expires_and_a_newer_event_extends_its_life(redis_bench: RedisBench) -> None:
    key = cache_key("tvl", "ethereum", "lido")
    redis_bench.sink.deliver([make_event(1)])
    redis_bench.client.pexpire(key, 60_000)
    redis_bench.sink.deliver([make_event(2)])
    assert 3_500_000 < int(str(redis_bench.client.pttl(key))) <= 3_600_000


def test_a_replayed_event_does_not_extend_a_life(redis_bench: RedisBench) -> None:
    key = cache_key("tvl", "ethereum", "lido")
    redis_bench.sink.deliver([make_event(1)])
    redis_bench.client.pexpire(key, 60_000)
    redis_bench.sink.deliver([make_event(1)])
    assert int(str(redis_bench.client.pttl(key))) <= 60_000


def test_an_event_of_a_kind_that_the_settings_no_longer_have_is_cached_for_the_usual_time(
    redis_bench: RedisBench,
) -> None:
    redis_bench.sink.deliver([make_event(1, kind="apy_7d")])
    assert 3_500_000 < int(str(redis_bench.client.pttl(cache_key("apy_7d", "ethereum", "lido")))) <= 3_600_000


@pytest.mark.parametrize("entity", ["lido", "a:b*", "ünï/cödé"])
def test_an_event_is_published_on_its_entitys_channel(redis_bench: RedisBench, entity: str) -> None:
    with redis_bench.client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
        subscription.psubscribe(channel_pattern())
        subscription.get_message(timeout=5)
        event = make_event(1, entity)
        redis_bench.sink.deliver([event])
        message = subscription.get_message(timeout=5)
    assert message is not None
    assert (message["channel"], message["data"]) == (channel("tvl", "ethereum", entity), event.json_bytes.decode())


def test_the_stream_is_capped(redis_url: str) -> None:
    settings = RedisSettings(stream_max_length=100)
    with closing(RedisSink(settings, url=redis_url, poll_interval_seconds=0.001)) as sink:
        for first in range(1, 2000, 500):
            sink.deliver([make_event(sequence) for sequence in range(first, first + 500)])
    with redis.Redis.from_url(redis_url) as client:
        assert 100 <= int(str(client.xlen(STREAM))) <= 300  # whole nodes are dropped, of 100 entries each


def test_who_gets_an_event_from_the_channel_finds_it_or_a_newer_one_in_the_cache(redis_bench: RedisBench) -> None:
    stale: list[tuple[str, str]] = []
    seen = 0

    def follow() -> None:
        nonlocal seen
        for message in subscription.listen():
            published = json.loads(message["data"])["sequence"]
            cached = str(redis_bench.client.hget(cache_key("tvl", "ethereum", "lido"), "sequence"))
            if cached < published:
                stale.append((cached, published))
            seen += 1
            if seen == 1000:
                return

    with redis_bench.client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
        subscription.psubscribe(channel_pattern())
        subscription.get_message(timeout=5)
        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        for first in range(1, 1000, 10):
            redis_bench.sink.deliver([make_event(sequence) for sequence in range(first, first + 10)])
        follower.join(20)
    assert (seen, stale) == (1000, [])


def test_a_server_that_forgot_the_script_is_taught_it_again(redis_bench: RedisBench) -> None:
    redis_bench.sink.deliver([make_event(1)])
    redis_bench.client.script_flush()
    redis_bench.sink.deliver([make_event(2)])
    assert redis_bench.latest()["sequence"] == make_event(2).sequence


def test_a_connection_that_the_server_has_closed_meanwhile_is_replaced_unnoticed(redis_bench: RedisBench) -> None:
    redis_bench.sink.deliver([make_event(1)])
    redis_bench.client.client_kill_filter(skipme=True)
    redis_bench.sink.deliver([make_event(2)])
    assert redis_bench.latest()["sequence"] == make_event(2).sequence


def test_a_sink_has_one_connection_also_after_an_outage(redis_bench: RedisBench) -> None:
    with redis_bench.crashed(), pytest.raises(SinkUnavailable):
        redis_bench.sink.deliver([make_event(1)])
    for _ in range(2):
        redis_bench.sink.open()
        redis_bench.sink.deliver([make_event(2)])
    assert [one["name"] for one in redis_bench.client.client_list()].count("rtp") == 1


def test_a_sink_that_is_closed_has_no_connection(redis_bench: RedisBench) -> None:
    redis_bench.sink.deliver([make_event(1)])
    redis_bench.sink.close()
    assert eventually(lambda: "rtp" not in [one["name"] for one in redis_bench.client.client_list()])


def test_a_batch_that_cannot_reach_the_stream_reaches_nothing(redis_bench: RedisBench) -> None:
    redis_bench.client.set(STREAM, "not a stream")
    with pytest.raises(SinkUnavailable):
        redis_bench.sink.deliver([make_event(1)])
    assert redis_bench.client.keys("rtp:cache:*") == []


def test_the_address_of_redis_is_shown_without_its_password(redis_bench: RedisBench, redis_url: str) -> None:
    password = redis_url.partition("@")[0].rpartition(":")[2]
    assert password not in redis_bench.sink.address


# SQS


@pytest.fixture
def gateway(sqs_queue: SqsQueue) -> Iterator[FaultySqs]:
    with faulty_sqs(sqs_queue.endpoint_url) as faults:
        yield faults


@pytest.fixture
def sink_behind_gateway(gateway: FaultySqs, sqs_queue: SqsQueue) -> Iterator[SqsSink]:
    settings = SqsSettings(queue=sqs_queue.name, endpoint_url=gateway.url, region=sqs_queue.region)
    with closing(SqsSink(settings, queue_client(settings))) as sink:
        sink.open()
        yield sink


@pytest.fixture
def receive(sqs_client: SQSClient, sqs_queue: SqsQueue) -> Callable[[], list[Any]]:
    return lambda: drain(sqs_client, sqs_queue.url)


def test_a_message_carries_its_group_and_its_deduplication_id(
    sqs_bench: SqsBench, receive: Callable[[], list[Any]]
) -> None:
    event = make_event(1, "a:b*")
    sqs_bench.sink.deliver([event])
    (message,) = receive()
    attributes = message["Attributes"]
    assert (attributes["MessageGroupId"], attributes["MessageDeduplicationId"]) == ("ethereum:a%3Ab%2A", event.id)


def test_a_redelivered_message_is_queued_once(sqs_bench: SqsBench, receive: Callable[[], list[Any]]) -> None:
    sqs_bench.sink.deliver([make_event(1)])
    sqs_bench.sink.deliver([make_event(1)])
    assert len(receive()) == 1


def test_a_batch_holds_at_most_ten_messages(sink_behind_gateway: SqsSink, gateway: FaultySqs) -> None:
    sink_behind_gateway.deliver([make_event(sequence, f"p{sequence}") for sequence in range(1, 26)])
    assert sorted(len(batch) for batch in gateway.batches) == [5, 10, 10]


def test_a_group_keeps_its_order_where_several_batches_are_sent_at_a_time(
    sink_behind_gateway: SqsSink, gateway: FaultySqs
) -> None:
    events = [make_event(sequence, f"p{sequence % 30}") for sequence in range(1, 121)]
    assert not sink_behind_gateway.deliver(events).undelivered
    sent = [entry for batch in gateway.batches for entry in batch]
    for event in events[:30]:
        group = [entry["MessageDeduplicationId"] for entry in sent if entry["MessageGroupId"] == event.partitionkey]
        assert group == [other.id for other in events if other.partitionkey == event.partitionkey]


@pytest.mark.parametrize(
    "nonsense",
    [b"", b"{", b"<html>", b"[]", b"null", b'{"Successful": [{}]}', b'{"Failed": [{"Id": "0"}]}', b'{"Successful": 1}',
     b'{"Successful": [{"Id": "x"}]}', b'{"Successful": [{"Id": "99"}]}'],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_says_nothing_is_delivered(
    sink_behind_gateway: SqsSink, gateway: FaultySqs, nonsense: bytes
) -> None:
    gateway.nonsense = nonsense
    events = [make_event(1), make_event(2, "other")]
    try:
        undelivered = list(sink_behind_gateway.deliver(events).undelivered)
    except SinkUnavailable:
        undelivered = events
    assert undelivered == events


def test_nothing_of_a_group_passes_an_event_that_the_answer_does_not_mention(
    sink_behind_gateway: SqsSink, gateway: FaultySqs
) -> None:
    gateway.nonsense = b"{}"
    events = [make_event(1), make_event(2), make_event(3)]
    outcome = sink_behind_gateway.deliver(events)
    assert (len(gateway.batches), list(outcome.undelivered)) == (1, events)


def test_a_batch_holds_at_most_a_mebibyte(sink_behind_gateway: SqsSink, gateway: FaultySqs) -> None:
    sink_behind_gateway.deliver([make_event(n, str(n), provenance="x" * 400_000) for n in range(1, 6)])
    assert sorted(len(batch) for batch in gateway.batches) == [1, 2, 2]


def test_a_batch_never_holds_two_messages_of_a_group(sink_behind_gateway: SqsSink, gateway: FaultySqs) -> None:
    sink_behind_gateway.deliver([make_event(sequence, f"p{sequence % 4}") for sequence in range(1, 30)])
    groups = [[entry["MessageGroupId"] for entry in batch] for batch in gateway.batches]
    assert all(len(set(batch)) == len(batch) for batch in groups)


def test_an_oversized_event_is_rejected_with_its_size(sqs_bench: SqsBench) -> None:
    event = make_event(1, provenance="x" * BATCH_BYTES)
    (rejection,) = sqs_bench.sink.deliver([event]).rejected
    assert rejection.error == f"the message has {len(event.json_bytes)} bytes, SQS takes 1048576"


def test_the_size_is_that_of_the_message_as_it_is_sent(sqs_bench: SqsBench) -> None:
    event = make_event(1, provenance="\uffff" * (BATCH_BYTES // 5))  # 3 bytes each in the event, 6 in the message
    assert [rejection.event for rejection in sqs_bench.sink.deliver([event]).rejected] == [event]


def test_an_event_too_large_for_the_queues_own_limit_is_rejected(
    sqs_bench: SqsBench, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    sqs_client.set_queue_attributes(QueueUrl=sqs_queue.url, Attributes={"MaximumMessageSize": "2048"})
    events = [make_event(1, "small"), make_event(2, "large", provenance="x" * 3000)]
    (rejection,) = sqs_bench.sink.deliver(events).rejected
    assert (rejection.event, "2048 bytes" in rejection.error) == (events[1], True)


def test_a_name_that_sqs_cannot_hold_arrives_all_the_same(
    sqs_bench: SqsBench, receive: Callable[[], list[Any]]
) -> None:
    sqs_bench.sink.deliver([make_event(1, "a\uffff\ufffeb\U0001f600\x01\x7f")])
    (message,) = receive()
    assert json.loads(message["Body"])["data"]["entity"] == "a\uffff\ufffeb\U0001f600\x01\x7f"


def test_a_throttled_group_waits_and_the_others_go_on(
    sink_behind_gateway: SqsSink, gateway: FaultySqs, receive: Callable[[], list[Any]]
) -> None:
    gateway.refused_groups["ethereum:slow"] = "ThrottlingException"
    sink_behind_gateway.deliver([make_event(sequence, ("slow", "quick")[sequence % 2]) for sequence in range(1, 7)])
    assert [message["Attributes"]["MessageGroupId"] for message in receive()] == ["ethereum:quick"] * 3


def test_all_later_events_of_a_throttled_group_are_undelivered(
    sink_behind_gateway: SqsSink, gateway: FaultySqs
) -> None:
    gateway.refused_groups["ethereum:slow"] = "ThrottlingException"
    events = [make_event(sequence, ("slow", "quick")[sequence % 2]) for sequence in range(1, 7)]
    outcome = sink_behind_gateway.deliver(events)
    assert outcome.undelivered == [event for event in events if event.data.entity == "slow"]


def test_a_throttled_event_is_not_sent_again_in_the_same_delivery(
    sink_behind_gateway: SqsSink, gateway: FaultySqs
) -> None:
    gateway.refused_groups["ethereum:slow"] = "ThrottlingException"
    sink_behind_gateway.deliver([make_event(sequence, "slow") for sequence in range(1, 7)])
    assert len(gateway.batches) == 1


def test_the_reason_of_a_refusal_is_passed_on(sink_behind_gateway: SqsSink, gateway: FaultySqs) -> None:
    gateway.refused_groups["ethereum:slow"] = "KmsThrottled"
    assert "KmsThrottled" in sink_behind_gateway.deliver([make_event(1, "slow")]).cause


def test_what_sqs_will_never_take_is_rejected(sink_behind_gateway: SqsSink, gateway: FaultySqs) -> None:
    gateway.refused_groups["ethereum:bad"] = "AWS.SimpleQueueService.InvalidMessageContents"
    events = [make_event(1, "bad"), make_event(2, "good")]
    outcome = sink_behind_gateway.deliver(events)
    assert ([rejection.event for rejection in outcome.rejected], outcome.undelivered) == ([events[0]], [])


def test_an_outage_in_the_middle_leaves_only_what_is_not_in(sink_behind_gateway: SqsSink, gateway: FaultySqs) -> None:
    gateway.batches_before_hanging_up = 1
    events = [make_event(sequence, f"p{sequence}") for sequence in range(1, 26)]
    undelivered = sink_behind_gateway.deliver(events).undelivered
    (batch,) = gateway.batches  # any of the three: they are sent side by side
    taken = {entry["MessageDeduplicationId"] for entry in batch}
    assert undelivered == [event for event in events if event.id not in taken]


def test_a_queue_that_does_not_exist_is_named(sqs_queue: SqsQueue) -> None:
    settings = SqsSettings(queue="nowhere.fifo", endpoint_url=sqs_queue.endpoint_url, region=sqs_queue.region)
    with closing(SqsSink(settings, queue_client(settings))) as sink, pytest.raises(SinkUnavailable, match="nowhere"):
        sink.open()


def test_sqs_without_a_region_is_a_problem_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)
    with pytest.raises(SettingsError, match="Set AWS_REGION"):
        queue_client(SqsSettings(queue="alerts.fifo"))
