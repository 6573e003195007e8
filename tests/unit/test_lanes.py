"""Lanes send a sink's batches side by side, and no group waits for another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from core.errors import LeadershipLost, SinkUnavailable
from core.sinks import Outcome
from core.sinks.groups import BatchForm
from core.sinks.lanes import MOST_WAITING_EVENTS, Lanes
from tests.eventually import eventually
from tests.samples import make_event

if TYPE_CHECKING:
    from rtp_client.event import Event

AWAY = SinkUnavailable("Stub", "nowhere", "it does not answer")


class Service:
    """Answers each batch at once, with `outcome_of`; or later, where an event of it is held."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.outcome_of: Callable[[Sequence[Event]], Outcome] = lambda _: Outcome()
        self.held: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def send(self, events: Sequence[Event]) -> Outcome:
        with self._lock:
            self.got += [int(event.sequence) for event in events]
        for event in events:
            if event.data.entity in self.held:
                self.held[event.data.entity].wait(10)
        return self.outcome_of(events)

    def hold(self, entity: str) -> threading.Event:
        """What is of this entity gets no answer before the returned event is set."""
        self.held[entity] = threading.Event()
        return self.held[entity]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def lanes(service: Service) -> Iterator[Lanes]:
    form = BatchForm(most_events=2, most_of_a_group=1, most_bytes=1_000, size_of=lambda _: 1)
    with closing(Lanes(service.send, form, most=2, name="stub")) as made:
        yield made
        for held in service.held.values():
            held.set()


class Account:
    """What has become of the events, by number, as far as answers were taken."""

    def __init__(self, lanes: Lanes) -> None:
        self.delivered: list[int] = []
        self.undelivered: list[int] = []
        self._lanes = lanes

    def takes(self, most: int) -> bool:
        """Take answers; whether there are so many by now."""
        for answer in self._lanes.take_answers():
            undelivered = [int(event.sequence) for event in answer.outcome.undelivered]
            self.undelivered += undelivered
            self.delivered += [n for event in answer.events if (n := int(event.sequence)) not in undelivered]
        return len(self.delivered) + len(self.undelivered) >= most


@pytest.fixture
def account(lanes: Lanes) -> Account:
    return Account(lanes)


def send(lanes: Lanes, *events: Event) -> None:
    lanes.add(events)
    lanes.start()


def refusing(entity: str) -> Callable[[Sequence[Event]], Outcome]:
    return lambda events: Outcome([event for event in events if event.data.entity == entity], cause="throttled")


def away(_: Sequence[Event]) -> Outcome:
    raise AWAY


def test_the_others_do_not_wait_for_a_busy_group(lanes: Lanes, service: Service, account: Account) -> None:
    answer = service.hold("busy")
    send(lanes, *(make_event(number, "busy") for number in range(1, 9)))
    send(lanes, *(make_event(number, f"p{number}") for number in range(11, 19)))
    eventually(lambda: account.takes(8))
    answer.set()
    assert sorted(account.delivered) == [*range(11, 19)]
    eventually(lambda: account.takes(16))
    assert [number for number in service.got if number < 10] == [*range(1, 9)]


def test_no_more_is_under_way_than_there_are_lanes(lanes: Lanes, service: Service) -> None:
    for entity in "abcde":
        service.hold(entity)
    send(lanes, *(make_event(number, entity) for number, entity in enumerate("abcde", 1)))
    eventually(lambda: len(service.got) == 4)
    lanes.start()
    assert sorted(service.got) == [1, 2, 3, 4]


def test_all_that_waits_behind_a_failed_event_is_undelivered(lanes: Lanes, service: Service, account: Account) -> None:
    service.outcome_of = refusing("slow")
    answer = service.hold("slow")
    send(lanes, make_event(1, "slow"), make_event(2, "slow"), make_event(3, "quick"))
    answer.set()
    eventually(lambda: len(service.got) == 2)
    lanes.add([make_event(4, "slow")])  # the failure may be known by now, or not
    eventually(lambda: account.takes(4))
    assert (account.delivered, account.undelivered) == ([3], [1, 2, 4])


def test_a_group_goes_on_once_its_failure_is_known(lanes: Lanes, service: Service, account: Account) -> None:
    service.outcome_of = refusing("slow")
    send(lanes, make_event(1, "slow"))
    eventually(lambda: account.takes(1))
    service.outcome_of = lambda _: Outcome()
    send(lanes, make_event(1, "slow"))
    eventually(lambda: account.takes(2))
    assert (account.delivered, account.undelivered) == ([1], [1])


def outage_is_told(lanes: Lanes) -> bool:
    try:
        lanes.take_answers()
    except SinkUnavailable:
        return True
    return False


def test_where_the_service_is_away_that_is_told_and_everything_is_sent_again_in_order(
    lanes: Lanes, service: Service, account: Account
) -> None:
    service.outcome_of = away
    send(lanes, make_event(1), make_event(2), make_event(3, "aave"))
    eventually(lambda: outage_is_told(lanes))
    service.got.clear()
    service.outcome_of = lambda _: Outcome()
    lanes.start()
    eventually(lambda: account.takes(3))
    assert ([number for number in service.got if number < 3], sorted(account.delivered)) == ([1, 2], [1, 2, 3])


def test_an_outage_is_told_once_nothing_is_under_way_any_more(lanes: Lanes, service: Service) -> None:
    service.outcome_of = away
    answer = service.hold("late")
    send(lanes, make_event(1, "a"), make_event(2, "b"), make_event(3, "late"))
    eventually(lambda: len(service.got) == 3)
    assert lanes.take_answers() == []
    answer.set()
    eventually(lambda: outage_is_told(lanes))


def test_a_batch_without_an_answer_is_undelivered_where_others_had_one(
    lanes: Lanes, service: Service, account: Account
) -> None:
    def breaking(events: Sequence[Event]) -> Outcome:
        return away(events) if events[0].data.entity == "poison" else Outcome()

    service.outcome_of = breaking
    answer = service.hold("poison")
    send(lanes, make_event(1, "poison"), make_event(2, "poison"), make_event(3, "a"), make_event(4, "b"))
    eventually(lambda: account.takes(1))
    answer.set()
    eventually(lambda: account.takes(4))
    assert {1, 2} <= set(account.undelivered)
    assert 4 in account.delivered


def test_that_the_epoch_is_over_is_raised_whatever_else_was_answered(lanes: Lanes, service: Service) -> None:
    def lost(events: Sequence[Event]) -> Outcome:
        if events[0].data.entity == "last":
            raise LeadershipLost("over")
        return Outcome()

    service.outcome_of = lost
    answer = service.hold("last")
    send(lanes, make_event(1, "last"), make_event(2, "b"), make_event(3, "c"), make_event(4, "d"))
    eventually(lambda: 3 in service.got)
    answer.set()
    with pytest.raises(LeadershipLost):
        eventually(lambda: lanes.take_answers() is None)


def test_what_is_dropped_is_not_sent(lanes: Lanes, service: Service) -> None:
    answer = service.hold("busy")
    send(lanes, make_event(1, "busy"), make_event(2, "busy"))
    eventually(lambda: service.got)
    dropping = threading.Thread(target=lanes.drop)
    dropping.start()
    eventually(lambda: len(lanes) == 0)
    answer.set()
    dropping.join()
    assert (service.got, lanes.is_under_way, lanes.take_answers()) == ([1], False, [])


def test_finishing_sends_all_that_was_taken_on(lanes: Lanes, service: Service) -> None:
    send(lanes, *(make_event(number) for number in range(1, 20)))
    answers = lanes.finish(30)
    assert (service.got, sum(len(answer.events) for answer in answers)) == ([*range(1, 20)], 19)


def test_finishing_ends_in_time_with_what_is_under_way(lanes: Lanes, service: Service) -> None:
    answer = service.hold("busy")
    send(lanes, make_event(1, "busy"), make_event(2, "busy"))
    threading.Timer(0.1, answer.set).start()
    assert [len(one.events) for one in lanes.finish(0.01)] == [1]
    assert service.got == [1]


def test_it_wants_more_while_a_lane_could_run_dry(lanes: Lanes, service: Service) -> None:
    for entity in "abcd":
        service.hold(entity)
    send(lanes, *(make_event(number, entity) for number, entity in enumerate("abcd", 1)))
    send(lanes, *(make_event(10 + number, entity) for number, entity in enumerate("abc", 1)))
    assert lanes.wants_more
    lanes.add([make_event(20, "d")])
    assert not lanes.wants_more


def test_it_takes_on_so_many_events_of_a_busy_group_at_most(lanes: Lanes, service: Service) -> None:
    service.hold("busy")
    event = make_event(1, "busy")
    send(lanes, *([event] * MOST_WAITING_EVENTS))
    assert lanes.wants_more
    lanes.add([event])
    assert not lanes.wants_more
