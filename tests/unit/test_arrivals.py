"""The account of what arrived: it must see every loss, every wrong order, and every event that should not be."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from loadtests.shared.arrivals import Arrivals, Arrived, Completeness


def arrivals_of(*numbers: int) -> Arrivals:
    """One entity's events, noted in this order; a number's sequence is ten times the number."""
    arrivals = Arrivals("test")
    for number in numbers:
        arrivals.note("e", number, number * 10)
    return arrivals


def account(*numbers: int, written: int) -> Completeness:
    """What these arrivals of one entity come to."""
    return arrivals_of(*numbers).arrived().completeness({"e": written})


def test_everything_once_and_in_order_is_complete() -> None:
    assert account(1, 2, 3, written=3) == Completeness(received=3, lost=0, repeated=0, out_of_order=0, phantoms=0)


def test_a_gap_is_a_loss() -> None:
    assert account(1, 3, written=3).lost == 1


def test_the_end_that_is_missing_is_a_loss() -> None:
    assert account(1, 2, written=5).lost == 3


def test_an_entity_never_seen_is_a_loss() -> None:
    assert account(written=2).lost == 2


def test_what_comes_after_its_successor_is_out_of_order_and_not_lost() -> None:
    assert account(1, 3, 2, 4, written=4) == Completeness(4, lost=0, repeated=0, out_of_order=1, phantoms=0)


def test_a_swap_behind_a_loss_is_seen() -> None:
    assert account(1, 4, 3, written=4) == Completeness(3, lost=1, repeated=0, out_of_order=1, phantoms=0)


def test_a_higher_number_with_a_lower_sequence_is_out_of_order() -> None:
    arrivals = arrivals_of(1)
    arrivals.note("e", 2, 5)
    assert arrivals.out_of_order == 1


def test_a_replay_is_repetitions_only() -> None:
    assert account(1, 2, 3, 1, 2, 3, 4, written=4) == Completeness(4, lost=0, repeated=3, out_of_order=0, phantoms=0)


def test_another_event_with_a_known_number_is_a_phantom() -> None:
    arrivals = arrivals_of(1, 2)
    arrivals.note("e", 2, 21)
    assert (arrivals.phantoms, arrivals.repeated) == (1, 0)


def test_an_event_beyond_what_was_written_is_a_phantom_and_hides_no_loss() -> None:
    assert account(1, 2, 4, written=3) == Completeness(3, lost=1, repeated=0, out_of_order=0, phantoms=1)


def test_an_event_of_before_the_first_is_a_phantom() -> None:
    assert account(0, 1, written=1).phantoms == 1


def test_what_is_skipped_is_neither_received_nor_lost() -> None:
    arrivals = arrivals_of(1)
    arrivals.skip("e", 2, 20)
    arrivals.note("e", 3, 30)
    assert arrivals.arrived().completeness({"e": 3}) == Completeness(2, 0, 0, 0, 0)


def test_entities_do_not_mix() -> None:
    arrivals = Arrivals("test")
    for entity, number in (("a", 1), ("b", 1), ("b", 2), ("a", 2)):
        arrivals.note(entity, number)
    assert arrivals.arrived().completeness({"a": 2, "b": 2}) == Completeness(4, 0, 0, 0, 0)


def test_who_is_behind_is_named() -> None:
    arrivals = arrivals_of(1, 2, 4)
    assert (arrivals.has_all({"e": 2}), arrivals.has_all({"e": 4})) == (True, False)
    assert arrivals.behind({"e": 4, "f": 1}) == ["e at 2, not 4", "f at 0, not 1"]


@given(st.permutations(range(1, 10)))
def test_any_order_but_the_right_one_is_seen(order: list[int]) -> None:
    assert (account(*order, written=9).out_of_order > 0) == (order != sorted(order))


@given(st.integers(1, 30), st.lists(st.integers(1, 30)))
def test_whatever_arrives_all_that_was_written_is_received_or_lost(written: int, numbers: list[int]) -> None:
    known = [number for number in numbers if number <= written]
    found = account(*known, written=written)
    assert (found.received, found.lost) == (len(set(known)), written - len(set(known)))
    assert found.received + found.repeated == len(known)


@given(st.lists(st.integers(1, 20)))
def test_what_arrived_survives_its_way_through_json(numbers: list[int]) -> None:
    arrived = arrivals_of(*numbers).arrived()
    assert Arrived(**json.loads(json.dumps(vars(arrived)))) == arrived
