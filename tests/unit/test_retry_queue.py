"""What a sink did not take waits aside, group by group."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.processor.retry_queue import RetryQueue
from rtp_client.backoff import Backoff
from rtp_client.event import Event
from tests.samples import make_event

EXPONENTIAL = Backoff(1, 100, uniform=lambda _, most: most)


def an_event(number: int, entity: str = "lido") -> Event:
    return make_event(number, entity)


@pytest.fixture
def retries() -> RetryQueue:
    return RetryQueue(EXPONENTIAL)


def sequences(events: list[Event]) -> list[int]:
    return [int(event.sequence) for event in events]


def test_nothing_parked_everything_is_free(retries: RetryQueue) -> None:
    assert sequences(retries.queue_up([an_event(1), an_event(2, "aave")])) == [1, 2]


def test_an_event_of_a_parked_group_queues_up(retries: RetryQueue) -> None:
    retries.park([an_event(1)], now=0)
    assert sequences(retries.queue_up([an_event(2), an_event(3, "aave")])) == [3]


def test_a_parked_group_is_not_due_before_its_time(retries: RetryQueue) -> None:
    retries.park([an_event(1)], now=0)
    assert retries.take_due(0.9, limit=10) == []


def test_a_parked_group_is_due_with_all_that_queued_up(retries: RetryQueue) -> None:
    retries.park([an_event(1)], now=0)
    retries.queue_up([an_event(2)])
    assert sequences(retries.take_due(1, limit=10)) == [1, 2]


def test_each_failure_waits_longer(retries: RetryQueue) -> None:
    retries.park([an_event(1)], now=0)
    retries.park(retries.take_due(1, limit=10), now=1)
    assert retries.seconds_to_next(1) == 2


def test_no_more_is_taken_than_asked_for(retries: RetryQueue) -> None:
    retries.park([an_event(1), an_event(2), an_event(3)], now=0)
    assert sequences(retries.take_due(1, limit=2)) == [1, 2]


def test_a_group_with_events_left_stays_parked(retries: RetryQueue) -> None:
    retries.park([an_event(1), an_event(2)], now=0)
    taken = retries.take_due(1, limit=1)
    retries.leave(event.partitionkey for event in taken)
    assert retries.queue_up([an_event(3)]) == []


def test_a_group_without_events_is_free_again(retries: RetryQueue) -> None:
    retries.park([an_event(1)], now=0)
    taken = retries.take_due(1, limit=1)
    retries.leave(event.partitionkey for event in taken)
    assert sequences(retries.queue_up([an_event(2)])) == [2]


def test_what_fails_again_goes_back_to_the_front(retries: RetryQueue) -> None:
    retries.park([an_event(1), an_event(2), an_event(3)], now=0)
    retries.park(retries.take_due(1, limit=2), now=1)
    assert sequences(retries.take_due(10, limit=10)) == [1, 2, 3]


def test_it_knows_how_many_wait(retries: RetryQueue) -> None:
    retries.park([an_event(1)], now=0)
    retries.queue_up([an_event(2)])
    assert len(retries) == 2


def test_what_is_being_tried_again_counts_as_parked_until_it_is_known_what_became_of_it(retries: RetryQueue) -> None:
    retries.park([an_event(1), an_event(2)], now=0)
    taken = retries.take_due(1, limit=10)
    assert len(retries) == 2
    retries.park(taken, now=1)
    assert len(retries) == 2
    retries.leave(event.partitionkey for event in retries.take_due(5, limit=10))
    assert len(retries) == 0


def test_nothing_is_due_while_all_that_is_parked_is_being_tried_again(retries: RetryQueue) -> None:
    retries.park([an_event(1)], now=0)
    retries.take_due(1, limit=10)
    assert retries.seconds_to_next(1) == float("inf")


def test_a_group_that_has_left_starts_with_a_short_wait_again(retries: RetryQueue) -> None:
    for now in (0, 10):
        retries.park([an_event(1)], now=now)
        retries.take_due(now + 5, limit=1)
    retries.leave([an_event(1).partitionkey])
    retries.park([an_event(1)], now=0)
    assert retries.seconds_to_next(0) == 1


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60),
    st.lists(st.sampled_from("abc"), max_size=20),
)
def test_whatever_fails_each_group_goes_in_order(steps: list[tuple[str, bool]], failing: list[str]) -> None:
    retries, delivered, now = RetryQueue(Backoff(0.1, 1)), defaultdict(list), 0.0

    def deliver(events: list[Event]) -> None:
        refused = failing.pop() if failing else ""
        waiting = [event for event in events if event.data.entity == refused]
        for event in events:
            if event not in waiting:
                delivered[event.data.entity].append(int(event.sequence))
        retries.park(waiting, now)
        retries.leave({event.partitionkey for event in events} - {event.partitionkey for event in waiting})

    for number, (entity, is_time_passing) in enumerate(steps):
        now += is_time_passing
        if due := retries.take_due(now, limit=3):
            deliver(due)
        deliver(retries.queue_up([an_event(number, entity)]))
    failing.clear()
    while retries:
        now += 2
        deliver(retries.take_due(now, limit=3))
    expected = {entity: [n for n, (e, _) in enumerate(steps) if e == entity] for entity in {e for e, _ in steps}}
    assert dict(delivered) == expected
