"""What a sink's loop has done, counted."""

from __future__ import annotations

import pytest

from core.processor.metrics import SinkMetrics
from tests.samples import make_event


def test_a_sink_is_idle_since_its_first_empty_read() -> None:
    metrics = SinkMetrics()
    metrics.note_idle()
    first = metrics.idle_since
    metrics.note_idle()
    assert metrics.idle_since == first


def test_work_ends_the_idleness() -> None:
    metrics = SinkMetrics()
    metrics.note_idle()
    metrics.note_work()
    assert metrics.idle_since is None


def test_what_was_delivered_is_counted_by_kind_reason_and_severity() -> None:
    metrics = SinkMetrics()
    metrics.count_delivered([make_event(1), make_event(2), make_event(3, reason="added")], [(0.0, [0.0] * 3)], 1.0)
    assert metrics.events == {("tvl", "deviation", "info"): 2, ("tvl", "added", "info"): 1}


def test_a_delivery_takes_from_the_detection_and_its_processing_from_the_read() -> None:
    metrics = SinkMetrics()
    metrics.count_delivered([make_event(1), make_event(2)], [(12.0, [10.0, 11.0])], 13.0)
    delivery, processing = metrics.delivery.latencies(), metrics.processing.latencies()
    assert (delivery.total, delivery.sum, processing.total, processing.sum) == (2, 5.0, 2, 2.0)


@pytest.mark.parametrize(("parked", "last_error"), [(0, ""), (1, "throttled")])
def test_an_answer_clears_the_error_unless_events_are_parked(parked: int, last_error: str) -> None:
    metrics = SinkMetrics(parked=parked)
    metrics.note_retry("throttled")
    metrics.note_running()
    assert (metrics.state, metrics.last_error) == ("running", last_error)
