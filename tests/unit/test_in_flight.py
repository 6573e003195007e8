"""What was read and is not settled: the cursor on disk stays before it."""

from __future__ import annotations

import pytest

from core.log.cursor import Cursor
from core.log.dead_event import DeadEvent
from core.processor.in_flight import InFlight
from tests.samples import NOON

DEAD = DeadEvent(1, "{}", "too large", 1, NOON, NOON)


@pytest.fixture
def in_flight() -> InFlight:
    return InFlight()


def at(number: int) -> Cursor:
    return Cursor(after_id=number)


def test_the_cursor_may_stand_behind_what_is_settled(in_flight: InFlight) -> None:
    in_flight.add(at(2), {1: 0.0, 2: 0.0}, read_at=0.0)
    in_flight.settle(1)
    in_flight.settle(2)
    assert in_flight.take_settled() == (at(2), [])


def test_the_cursor_stays_before_an_unsettled_event(in_flight: InFlight) -> None:
    in_flight.add(at(1), {1: 0.0}, read_at=0.0)
    in_flight.add(at(2), {2: 0.0}, read_at=0.0)
    in_flight.settle(2)
    assert in_flight.take_settled() == (None, [])


def test_a_dead_event_goes_with_the_move_past_it(in_flight: InFlight) -> None:
    in_flight.add(at(1), {1: 0.0}, read_at=0.0)
    in_flight.add(at(2), {2: 0.0}, read_at=0.0)
    in_flight.settle(2, DEAD)
    waiting = in_flight.take_settled()
    in_flight.settle(1)
    assert (waiting, in_flight.take_settled()) == ((None, []), (at(2), [DEAD]))


def test_an_empty_read_moves_the_cursor_of_what_came_before(in_flight: InFlight) -> None:
    in_flight.add(at(1), {1: 0.0}, read_at=0.0)
    in_flight.add(at(9), {}, read_at=0.0)
    in_flight.settle(1)
    assert in_flight.take_settled() == (at(9), [])


def test_an_empty_read_after_everything_is_settled_moves_the_cursor(in_flight: InFlight) -> None:
    in_flight.add(at(9), {}, read_at=0.0)
    assert in_flight.take_settled() == (at(9), [])


def test_what_is_delivered_tells_when_it_was_read_and_detected(in_flight: InFlight) -> None:
    in_flight.add(at(2), {1: 10.0, 2: 20.0}, read_at=25.0)
    in_flight.add(at(3), {3: 30.0}, read_at=35.0)
    assert in_flight.settle_delivered([1, 2, 3]) == [(25.0, [10.0, 20.0]), (35.0, [30.0])]
    assert in_flight.take_settled() == (at(3), [])


def test_the_oldest_unsettled_event_tells_the_lag(in_flight: InFlight) -> None:
    in_flight.add(at(2), {1: 10.0, 2: 20.0}, read_at=0.0)
    in_flight.add(at(3), {3: 30.0}, read_at=0.0)
    in_flight.settle(1)
    assert in_flight.oldest_detected_at() == 20.0


def test_without_unsettled_events_there_is_no_oldest(in_flight: InFlight) -> None:
    in_flight.add(at(1), {1: 10.0}, read_at=0.0)
    in_flight.settle(1)
    assert in_flight.oldest_detected_at() is None
