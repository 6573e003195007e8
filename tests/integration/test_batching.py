"""Batches take what is there: a lone event goes at once, a backlog in batches as large as the sink's bound allows."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
import pytest
import redis

from core.log.reader import LogReader
from core.processor.build import build_pipeline
from core.settings.models import Settings
from tests.eventually import eventually
from tests.faulty_sqs import FaultySqs, faulty_sqs
from tests.held_redis import held
from tests.waiting import count_waiting

if TYPE_CHECKING:
    from core.log.reader import Chunk
    from core.processor.delivery import Delivery
    from tests.conftest import SqsQueue

EVENTS = (
    "INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, changed_at)"
    " SELECT 1, 'ethereum', 'p' || n %% 50, n, 'deviation', 1, now() FROM generate_series(1, %s) AS n"
)


@contextmanager
def running(settings: Settings, sink: str) -> Iterator[Delivery]:
    pipeline = build_pipeline(settings, on_problem=lambda _: None)
    pipeline.start()
    try:
        yield next(one for one in pipeline.deliveries if one.sink.name == sink)
    finally:
        pipeline.stop()


@pytest.mark.parametrize("sink", ["redis", "sqs"])
def test_a_lone_event_does_not_wait_for_company(settings: Settings, writer: psycopg.Connection, sink: str) -> None:
    with running(settings, sink) as delivery:
        for sent in range(1, 31):
            writer.execute(EVENTS, [1])
            eventually(lambda sent=sent: delivery.metrics.delivered == sent)  # type: ignore[misc]
        assert delivery.metrics.batch_sizes == {1: 30}
        median = delivery.metrics.delivery.latencies().percentile(0.5)
        # The poll interval is 2 ms (Redis) or 25 ms (SQS); the rest is for a busy machine.
        assert median is not None
        assert median < delivery.sink.poll_interval_seconds + 0.1


@pytest.mark.parametrize(
    ("backlog", "sizes"),
    [(20, {20: 1}), (300, {300: 1}), (1200, {500: 2, 200: 1})],
)
def test_a_batch_grows_with_the_backlog_up_to_its_bound(
    settings: Settings, writer: psycopg.Connection, redis_url: str, backlog: int, sizes: dict[int, int]
) -> None:
    with running(settings, "redis") as delivery, redis.Redis.from_url(redis_url) as client:
        eventually(lambda: delivery.metrics.state == "running")
        with held(client):
            writer.execute(EVENTS, [1])
            eventually(lambda: delivery.metrics.detection.latencies().total == 1)  # read, and on its way
            writer.execute(EVENTS, [backlog])
        eventually(lambda: delivery.metrics.delivered == backlog + 1)
    assert delivery.metrics.batch_sizes == Counter(sizes) + Counter({1: 1})


class WatchedReader(LogReader):
    """Notes what is read for Redis, and each wait for more."""

    noted: ClassVar[list[str]] = []

    def read(self, limit: int) -> Chunk:
        chunk = super().read(limit)
        self._note("rows" if chunk.rows else "nothing")
        return chunk

    def wait(self, *, step_seconds: float, longest_seconds: float) -> None:
        self._note("wait")
        super().wait(step_seconds=step_seconds, longest_seconds=longest_seconds)

    def _note(self, what: str) -> None:
        if self._sink == "redis":
            self.noted.append(what)


def test_the_answer_to_a_last_full_batch_is_waited_for_at_redis(
    settings: Settings, writer: psycopg.Connection, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.processor.build.LogReader", WatchedReader)
    noted = WatchedReader.noted
    with running(settings, "redis") as delivery, redis.Redis.from_url(redis_url) as client:
        eventually(lambda: delivery.metrics.state == "running")
        with held(client):
            writer.execute(EVENTS, [500])
            eventually(lambda: "rows" in noted and noted[noted.index("rows") :].count("nothing") > 2)
            assert "wait" not in noted[noted.index("rows") :]
        eventually(lambda: delivery.metrics.delivered == 500)


BUSY = (
    "INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, changed_at)"
    " SELECT 1, 'ethereum', 'busy', n, 'deviation', 1, now() FROM generate_series(1, %s) AS n"
)


@contextmanager
def alerting(settings: Settings, gateway: FaultySqs) -> Iterator[Delivery]:
    sqs = settings.sqs.model_copy(update={"endpoint_url": gateway.url})
    without_redis = settings.redis.model_copy(update={"url": None})
    pipeline = build_pipeline(
        settings.model_copy(update={"sqs": sqs, "redis": without_redis}), on_problem=lambda _: None
    )
    pipeline.start()
    try:
        yield pipeline.deliveries[0]
    finally:
        pipeline.stop()


@pytest.fixture
def gateway(sqs_queue: SqsQueue) -> Iterator[FaultySqs]:
    with faulty_sqs(sqs_queue.endpoint_url) as faults:
        yield faults


def groups(batch: list[dict[str, Any]]) -> list[str]:
    return [entry["MessageGroupId"].partition(":")[2] for entry in batch]


def test_a_backlog_goes_to_sqs_in_full_batches(
    settings: Settings, writer: psycopg.Connection, gateway: FaultySqs
) -> None:
    writer.execute(EVENTS, [300])
    with alerting(settings, gateway) as delivery:
        eventually(lambda: delivery.metrics.delivered == 300)
    assert delivery.metrics.batch_sizes == {10: 30}


def test_a_busy_entity_does_not_hold_up_the_others(
    settings: Settings, writer: psycopg.Connection, gateway: FaultySqs
) -> None:
    writer.execute(BUSY, [60])
    writer.execute(EVENTS, [48])
    with alerting(settings, gateway) as delivery:
        eventually(lambda: delivery.metrics.delivered == 108)
    of_others = [number for number, batch in enumerate(gateway.batches) if groups(batch) != ["busy"]]
    assert len(gateway.batches) >= 60  # as each holds one of the busy entity's at most
    assert of_others[-1] < 20


def test_the_saved_cursor_stays_before_what_waits_for_its_turn(
    settings: Settings, writer: psycopg.Connection, gateway: FaultySqs
) -> None:
    is_open = threading.Event()
    gateway.on_batch = lambda: "busy" not in groups(gateway.batches[-1]) or is_open.wait(60)
    writer.execute(BUSY, [2])
    writer.execute(EVENTS, [48])
    with alerting(settings, gateway) as delivery:
        eventually(lambda: delivery.metrics.delivered >= 39)  # all but the busy entity's, and what goes with its first
        assert count_waiting(writer, "sqs") == 50
        is_open.set()
        eventually(lambda: count_waiting(writer, "sqs") == 0)
