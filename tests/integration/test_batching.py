"""Batches take what is there: a lone event goes at once, a backlog in batches as large as the sink's bound allows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from core.processor.build import build_pipeline
from core.settings.models import Settings
from core.sinks import Outcome
from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.processor.delivery import Delivery
    from rtp_client.event import Event

EVENTS = (
    "INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, changed_at)"
    " SELECT 1, 'ethereum', 'p' || n %% 50, n, 'deviation', 1, now() FROM generate_series(1, %s) AS n"
)


class Gate:
    """Lets a sink deliver, or keeps it waiting, and notes the size of each batch."""

    def __init__(self, delivery: Delivery) -> None:
        self.sizes: list[int] = []
        self.is_open = threading.Event()
        self.is_waiting = threading.Event()
        self._deliver = delivery.sink.deliver
        delivery.sink.deliver = self._pass  # type: ignore[method-assign]

    def _pass(self, events: Sequence[Event]) -> Outcome:
        self.is_waiting.set()
        self.is_open.wait(30)
        self.sizes.append(len(events))
        return self._deliver(events)


@contextmanager
def gated(settings: Settings, sink: str) -> Iterator[tuple[Gate, Delivery]]:
    pipeline = build_pipeline(settings, on_problem=lambda _: None)
    delivery = next(one for one in pipeline.deliveries if one.sink.name == sink)
    gate = Gate(delivery)
    pipeline.start()
    try:
        yield gate, delivery
    finally:
        gate.is_open.set()
        pipeline.stop()


@pytest.mark.parametrize("sink", ["redis", "sqs"])
def test_a_lone_event_does_not_wait_for_company(settings: Settings, writer: psycopg.Connection, sink: str) -> None:
    with gated(settings, sink) as (gate, delivery):
        gate.is_open.set()
        for sent in range(1, 31):
            writer.execute(EVENTS, [1])
            eventually(lambda sent=sent: delivery.metrics.delivered == sent)  # type: ignore[misc]
        assert gate.sizes == [1] * 30
        median = delivery.metrics.delivery.latencies().percentile(0.5)
        # The poll interval is 2 ms (Redis) or 25 ms (SQS); the rest is for a busy machine.
        assert median is not None
        assert median < delivery.sink.poll_interval_seconds + 0.1


@pytest.mark.parametrize(
    ("sink", "backlog", "sizes"),
    [
        ("redis", 20, [20]),
        ("redis", 300, [300]),
        ("redis", 1200, [500, 500, 200]),
        ("sqs", 20, [20]),
        ("sqs", 500, [200, 200, 100]),
    ],
)
def test_a_batch_grows_with_the_backlog_up_to_its_bound(
    settings: Settings, writer: psycopg.Connection, sink: str, backlog: int, sizes: list[int]
) -> None:
    with gated(settings, sink) as (gate, delivery):
        writer.execute(EVENTS, [1])
        gate.is_waiting.wait(10)
        writer.execute(EVENTS, [backlog])
        gate.is_open.set()
        eventually(lambda: delivery.metrics.delivered == backlog + 1)
    assert gate.sizes == [1, *sizes]
