"""What a sink did not take waits aside, group by group; and the cursor stays before it."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.log.cursor import Cursor
from core.log.dead_event import DeadEvent
from core.processor.in_flight import InFlight
from core.processor.retry_queue import RetryQueue
from rtp_client.backoff import Backoff
from rtp_client.event import Event
from tests.samples import NOON, make_event

EXPONENTIAL = Backoff(1, 100, uniform=lambda _, most: most)
DEAD = DeadEvent(1, "{}", "too large", 1, NOON, NOON)


def an_event(number: int, entity: str = "lido") -> Event:
    return make_event(number, entity)


@pytest.fixture
def parking() -> RetryQueue:
    return RetryQueue(EXPONENTIAL)


def sequences(events: list[Event]) -> list[int]:
    return [int(event.sequence) for event in events]


def test_nothing_parked_everything_is_free(parking: RetryQueue) -> None:
    assert sequences(parking.queue_up([an_event(1), an_event(2, "aave")])) == [1, 2]


def test_an_event_of_a_parked_group_queues_up(parking: RetryQueue) -> None:
    parking.park([an_event(1)], now=0)
    assert sequences(parking.queue_up([an_event(2), an_event(3, "aave")])) == [3]


def test_a_parked_group_is_not_due_before_its_time(parking: RetryQueue) -> None:
    parking.park([an_event(1)], now=0)
    assert parking.take_due(0.9, limit=10) == []


def test_a_parked_group_is_due_with_all_that_queued_up(parking: RetryQueue) -> None:
    parking.park([an_event(1)], now=0)
    parking.queue_up([an_event(2)])
    assert sequences(parking.take_due(1, limit=10)) == [1, 2]


def test_each_failure_waits_longer(parking: RetryQueue) -> None:
    parking.park([an_event(1)], now=0)
    parking.park(parking.take_due(1, limit=10), now=1)
    assert parking.seconds_to_next(1) == 2


def test_no_more_is_taken_than_asked_for(parking: RetryQueue) -> None:
    parking.park([an_event(1), an_event(2), an_event(3)], now=0)
    assert sequences(parking.take_due(1, limit=2)) == [1, 2]


def test_a_group_with_events_left_stays_parked(parking: RetryQueue) -> None:
    parking.park([an_event(1), an_event(2)], now=0)
    taken = parking.take_due(1, limit=1)
    parking.leave(event.partitionkey for event in taken)
    assert parking.queue_up([an_event(3)]) == []


def test_a_group_without_events_is_free_again(parking: RetryQueue) -> None:
    parking.park([an_event(1)], now=0)
    taken = parking.take_due(1, limit=1)
    parking.leave(event.partitionkey for event in taken)
    assert sequences(parking.queue_up([an_event(2)])) == [2]


def test_what_fails_again_goes_back_to_the_front(parking: RetryQueue) -> None:
    parking.park([an_event(1), an_event(2), an_event(3)], now=0)
    parking.park(parking.take_due(1, limit=2), now=1)
    assert sequences(parking.take_due(10, limit=10)) == [1, 2, 3]


def test_it_knows_how_many_wait(parking: RetryQueue) -> None:
    parking.park([an_event(1)], now=0)
    parking.queue_up([an_event(2)])
    assert len(parking) == 2


def test_a_group_that_has_left_starts_with_a_short_wait_again(parking: RetryQueue) -> None:
    for now in (0, 10):
        parking.park([an_event(1)], now=now)
        parking.take_due(now + 5, limit=1)
    parking.leave([an_event(1).partitionkey])
    parking.park([an_event(1)], now=0)
    assert parking.seconds_to_next(0) == 1


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60),
    st.lists(st.sampled_from("abc"), max_size=20),
)
def test_whatever_fails_each_group_goes_in_order(steps: list[tuple[str, bool]], failing: list[str]) -> None:
    parking, delivered, now = RetryQueue(Backoff(0.1, 1)), defaultdict(list), 0.0

    def deliver(events: list[Event]) -> None:
        refused = failing.pop() if failing else ""
        waiting = [event for event in events if event.data.entity == refused]
        for event in events:
            if event not in waiting:
                delivered[event.data.entity].append(int(event.sequence))
        parking.park(waiting, now)
        parking.leave({event.partitionkey for event in events} - {event.partitionkey for event in waiting})

    for number, (entity, is_time_passing) in enumerate(steps):
        now += is_time_passing
        if due := parking.take_due(now, limit=3):
            deliver(due)
        deliver(parking.queue_up([an_event(number, entity)]))
    failing.clear()
    while parking:
        now += 2
        deliver(parking.take_due(now, limit=3))
    expected = {entity: [n for n, (e, _) in enumerate(steps) if e == entity] for entity in {e for e, _ in steps}}
    assert dict(delivered) == expected


# The ledger


@pytest.fixture
def ledger() -> InFlight:
    return InFlight()


def at(number: int) -> Cursor:
    return Cursor(after_id=number)


def test_the_cursor_may_stand_behind_what_is_settled(ledger: InFlight) -> None:
    ledger.add(at(2), {1: 0.0, 2: 0.0})
    ledger.settle(1)
    ledger.settle(2)
    assert ledger.take_settled() == (at(2), [])


def test_the_cursor_stays_before_an_unsettled_event(ledger: InFlight) -> None:
    ledger.add(at(1), {1: 0.0})
    ledger.add(at(2), {2: 0.0})
    ledger.settle(2)
    assert ledger.take_settled() == (None, [])


def test_a_dead_letter_goes_with_the_move_past_it(ledger: InFlight) -> None:
    ledger.add(at(1), {1: 0.0})
    ledger.add(at(2), {2: 0.0})
    ledger.settle(2, DEAD)
    waiting = ledger.take_settled()
    ledger.settle(1)
    assert (waiting, ledger.take_settled()) == ((None, []), (at(2), [DEAD]))


def test_an_empty_read_moves_the_cursor_of_what_came_before(ledger: InFlight) -> None:
    ledger.add(at(1), {1: 0.0})
    ledger.add(at(9), {})
    ledger.settle(1)
    assert ledger.take_settled() == (at(9), [])


def test_an_empty_read_after_everything_is_settled_moves_the_cursor(ledger: InFlight) -> None:
    ledger.add(at(9), {})
    assert ledger.take_settled() == (at(9), [])


def test_the_oldest_unsettled_event_tells_the_lag(ledger: InFlight) -> None:
    ledger.add(at(2), {1: 10.0, 2: 20.0})
    ledger.add(at(3), {3: 30.0})
    ledger.settle(1)
    assert ledger.oldest_detected_at() == 20.0


def test_a_settled_ledger_has_no_oldest(ledger: InFlight) -> None:
    ledger.add(at(1), {1: 10.0})
    ledger.settle(1)
    assert ledger.oldest_detected_at() is None
