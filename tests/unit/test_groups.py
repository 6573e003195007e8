"""What waits to be sent, a queue per group: what may go next, and what may not yet."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sinks.groups import BatchForm, GroupQueues
from rtp_client.event import Event
from tests.samples import make_event


def an_event(number: int, entity: str = "lido") -> Event:
    return make_event(number, entity)


def queues(*, most_events: int = 10, most_of_a_group: int = 1, most_bytes: int = 1_000) -> GroupQueues:
    return GroupQueues(BatchForm(most_events, most_of_a_group, most_bytes, size_of=lambda _: 100))


def sequences(events: list[Event]) -> list[int]:
    return [int(event.sequence) for event in events]


def keys(events: list[Event]) -> set[str]:
    return {event.partitionkey for event in events}


@pytest.fixture
def groups() -> GroupQueues:
    return queues()


def test_a_batch_has_one_event_of_each_group(groups: GroupQueues) -> None:
    groups.add([an_event(1), an_event(2), an_event(3, "aave")])
    assert sequences(groups.take_batch()) == [1, 3]


def test_a_batch_has_several_of_a_group_where_it_is_taken_as_a_whole() -> None:
    groups = queues(most_of_a_group=2)
    groups.add([an_event(1), an_event(2), an_event(3), an_event(4, "aave")])
    assert sequences(groups.take_batch()) == [1, 2, 4]


def test_a_batch_has_no_more_events_than_the_form_allows() -> None:
    groups = queues(most_events=2)
    groups.add([an_event(number, f"p{number}") for number in range(5)])
    assert [sequences(groups.take_batch()) for _ in range(4)] == [[0, 1], [2, 3], [4], []]


def test_a_batch_has_no_more_bytes_than_the_form_allows() -> None:
    groups = queues(most_bytes=250)
    groups.add([an_event(number, f"p{number}") for number in range(3)])
    assert [sequences(groups.take_batch()) for _ in range(2)] == [[0, 1], [2]]


def test_an_event_that_is_larger_than_a_batch_may_be_goes_alone() -> None:
    groups = queues(most_bytes=50)
    groups.add([an_event(1), an_event(2, "aave")])
    assert [sequences(groups.take_batch()) for _ in range(2)] == [[1], [2]]


def test_a_group_that_is_under_way_gives_nothing_more(groups: GroupQueues) -> None:
    groups.add([an_event(1)])
    groups.take_batch()
    groups.add([an_event(2), an_event(3, "aave")])
    assert sequences(groups.take_batch()) == [3]


def test_a_released_group_goes_on(groups: GroupQueues) -> None:
    groups.add([an_event(1), an_event(2)])
    groups.release(keys(groups.take_batch()))
    assert sequences(groups.take_batch()) == [2]


def test_what_is_put_back_goes_next_in_its_order(groups: GroupQueues) -> None:
    groups.add([an_event(1), an_event(2), an_event(3, "aave")])
    batch = groups.take_batch()
    groups.add([an_event(4, "maker")])
    groups.put_back(batch)
    assert sequences(groups.take_batch()) == [1, 3, 4]


def test_what_is_behind_a_group_can_be_taken_away_and_the_group_begins_anew(groups: GroupQueues) -> None:
    groups.add([an_event(1), an_event(2), an_event(3, "aave"), an_event(4)])
    groups.take_batch()
    assert sequences(groups.take_behind({an_event(1).partitionkey})) == [2, 4]
    groups.add([an_event(5)])
    assert sequences(groups.take_batch()) == [5]


def test_it_knows_how_many_wait(groups: GroupQueues) -> None:
    groups.add([an_event(1), an_event(2), an_event(3, "aave")])
    groups.take_batch()
    assert len(groups) == 1


def test_it_knows_whether_enough_groups_have_something_waiting(groups: GroupQueues) -> None:
    groups.add([an_event(1), an_event(2), an_event(3, "aave")])
    assert (groups.are_fewer_than(2), groups.are_fewer_than(3)) == (False, True)
    groups.take_batch()
    assert groups.are_fewer_than(2)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "send", "lose", "fail"])), max_size=80))
def test_whatever_becomes_of_a_batch_each_group_goes_in_order(steps: list[tuple[str, str]]) -> None:
    groups, sent, dropped = queues(), defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for number, (entity, step) in enumerate(steps):
        if step == "add":
            groups.add([an_event(number, entity)])
            continue
        batch = groups.take_batch()
        if step == "lose":
            groups.put_back(batch)
        elif step == "send":
            for event in batch:
                sent[event.partitionkey].append(int(event.sequence))
            groups.release(keys(batch))
        else:
            for event in (*batch, *groups.take_behind(keys(batch))):
                dropped[event.partitionkey].append(int(event.sequence))
    while batch := groups.take_batch():
        for event in batch:
            sent[event.partitionkey].append(int(event.sequence))
        groups.release(keys(batch))
    added = {number for number, (_, step) in enumerate(steps) if step == "add"}
    assert all(group == sorted(group) for group in (*sent.values(), *dropped.values()))
    assert {number for group in (*sent.values(), *dropped.values()) for number in group} == added
    assert len(groups) == 0
