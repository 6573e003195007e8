"""The fault suite's own judge: it must see every loss, every wrong order, and every event that should not be."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loadtests.faults.tally import Sighting, Tally, sighting


def tally_of(*values: int) -> Tally:
    """One entity's events in this order; a value's sequence is ten times the value."""
    tally = Tally("test")
    for value in values:
        tally.note(Sighting("e", value, value * 10))
    return tally


def test_all_in_order_is_clean() -> None:
    tally = tally_of(2, 3, 4)
    assert (tally.missing({"e": 4}), tally.reordered, tally.phantoms, tally.beyond({"e": 4})) == (0, 0, 0, 0)


def test_a_gap_is_a_loss() -> None:
    assert tally_of(2, 4).missing({"e": 4}) == 1


def test_the_end_that_is_missing_is_a_loss() -> None:
    assert tally_of(2, 3).missing({"e": 6}) == 3


def test_an_entity_never_seen_is_a_loss() -> None:
    assert tally_of().missing({"e": 3}) == 2


def test_what_comes_after_its_successor_is_reordered_and_not_lost() -> None:
    tally = tally_of(2, 4, 3, 5)
    assert (tally.reordered, tally.missing({"e": 5})) == (1, 0)


def test_a_higher_value_with_a_lower_sequence_is_reordered() -> None:
    tally = tally_of(2)
    tally.note(Sighting("e", 3, 5))
    assert tally.reordered == 1


def test_a_replay_is_duplicates_only() -> None:
    tally = tally_of(2, 3, 4, 2, 3, 4, 5)
    assert (tally.duplicates, tally.reordered, tally.phantoms, tally.events) == (3, 0, 0, 4)


def test_another_event_with_a_known_value_is_a_phantom() -> None:
    tally = tally_of(2, 3)
    tally.note(Sighting("e", 3, 31))
    assert (tally.phantoms, tally.duplicates) == (1, 0)


def test_an_event_beyond_what_is_committed_is_told() -> None:
    assert tally_of(2, 3, 4).beyond({"e": 3}) == 1


def test_what_is_skipped_is_neither_counted_nor_missing() -> None:
    tally = tally_of(2)
    tally.skip(Sighting("e", 3, 30))
    tally.note(Sighting("e", 4, 40))
    assert (tally.events, tally.reordered, tally.missing({"e": 4})) == (2, 0, 0)


@given(st.permutations(range(2, 10)))
def test_any_order_but_the_right_one_is_seen(order: list[int]) -> None:
    assert (tally_of(*order).reordered > 0) == (order != sorted(order))


@given(st.sets(st.integers(2, 12)), st.lists(st.integers(2, 12)))
def test_duplicates_hide_no_loss(arrived: set[int], again: list[int]) -> None:
    tally = tally_of(*sorted(arrived), *(value for value in again if value in arrived))
    assert tally.missing({"e": 12}) == 11 - len(arrived)


def document(**data: Any) -> str:
    return json.dumps({"sequence": "00000000000000000042", "data": data})


def test_a_value_is_read_from_its_event() -> None:
    seen = sighting(document(kind="tvl", chain="ethereum", entity="p1", current="7"))
    assert seen == Sighting("tvl:ethereum:p1", 7, 42)


def test_a_name_is_read_from_its_event() -> None:
    fields = {"name": {"previous": "v6", "current": "v7"}}
    seen = sighting(document(kind="protocol", chain="all", entity="m1", fields=fields))
    assert seen == Sighting("protocol:all:m1", 7, 42)
