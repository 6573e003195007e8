"""Events are built once for all sinks, and never mixed up."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import EventRejected
from core.log.rows import build_event
from core.processor.shared_events import MOST_KEPT, SharedEvents
from tests.samples import ROW


def shared(sinks: int = 2) -> SharedEvents:
    return SharedEvents(source="/rtp", sinks=sinks)


def test_the_second_sink_gets_the_event_that_was_built_for_the_first() -> None:
    events = shared()
    assert events.take(ROW, "log") is events.take(ROW._replace(), "log")


def test_an_event_is_what_it_would_be_without_sharing() -> None:
    events = shared()
    events.take(ROW, "log")
    assert events.take(ROW, "log") == build_event(ROW, source="/rtp", log_id="log")


def test_what_all_sinks_have_is_kept_no_longer() -> None:
    events = shared(sinks=3)
    for left in (1, 1, 0):
        events.take(ROW, "log")
        assert len(events) == left


def test_for_one_sink_nothing_is_kept() -> None:
    events = shared(sinks=1)
    events.take(ROW, "log")
    assert len(events) == 0


@pytest.mark.parametrize("change", [{"xid": "99"}, {"entity": "other"}, {"current": "5"}])
def test_a_row_that_differs_in_anything_gets_an_event_of_its_own(change: dict[str, Any]) -> None:
    events = shared()
    other = ROW._replace(**change)
    events.take(ROW, "log")
    assert events.take(other, "log") == build_event(other, source="/rtp", log_id="log")


def test_the_same_row_of_another_log_gets_an_event_of_its_own() -> None:
    events = shared()
    events.take(ROW, "log")
    assert events.take(ROW, "other").id.startswith("other-")


def test_no_more_than_the_newest_are_kept() -> None:
    events = shared()
    first = events.take(ROW, "log")
    for number in range(1, MOST_KEPT + 1):
        events.take(ROW._replace(id=ROW.id + number), "log")
    assert len(events) == MOST_KEPT
    assert events.take(ROW, "log") is not first


def test_a_row_that_breaks_the_rules_is_refused_to_every_sink() -> None:
    events = shared()
    for _ in range(2):
        with pytest.raises(EventRejected):
            events.take(ROW._replace(confidence=7.0), "log")
    assert len(events) == 0
