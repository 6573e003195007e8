"""How a load test knows that something was lost, or came in the wrong order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtests.shared.ledger import Account, Ledger, Mark, settle


def account(arrivals: list[int], written: int) -> Account:
    """What a receiver's account comes to for one entity."""
    ledger = Ledger()
    for number in arrivals:
        ledger.note("p1", number)
    return settle(ledger.encoded(), {"p1": written})


def test_everything_once_and_in_order() -> None:
    assert account([1, 2, 3], written=3) == Account(received=3, duplicates=0, out_of_order=0, lost=0)


def test_a_gap_is_a_loss() -> None:
    assert account([1, 3], written=3).lost == 1


def test_what_never_came_at_the_end_is_a_loss() -> None:
    assert account([1], written=3).lost == 2


def test_an_entity_of_which_nothing_came_is_a_loss() -> None:
    assert settle(Ledger().encoded(), {"p1": 2}).lost == 2


def test_what_fills_a_gap_later_is_out_of_order_and_not_lost() -> None:
    assert account([1, 3, 2], written=3) == Account(received=3, duplicates=0, out_of_order=1, lost=0)


def test_a_redelivery_is_a_duplicate_and_not_out_of_order() -> None:
    assert account([1, 2, 1, 2, 3], written=3) == Account(received=3, duplicates=2, out_of_order=0, lost=0)


def test_entities_do_not_mix() -> None:
    ledger = Ledger()
    for entity, number in (("a", 1), ("b", 1), ("b", 2), ("a", 2)):
        ledger.note(entity, number)
    assert settle(ledger.encoded(), {"a": 2, "b": 2}) == Account(4, 0, 0, 0)


@given(st.integers(1, 30), st.lists(st.integers(1, 30)))
def test_whatever_arrives_all_that_was_written_is_received_or_lost(written: int, arrivals: list[int]) -> None:
    known = [number for number in arrivals if number <= written]
    seen = account(known, written)
    assert seen.received == len(set(known))
    assert seen.lost == written - len(set(known))
    assert seen.received + seen.duplicates == len(known)


@given(st.permutations(range(1, 12)))
def test_a_delivery_in_another_order_is_always_seen(arrivals: list[int]) -> None:
    assert (account(arrivals, written=11).out_of_order > 0) is (arrivals != sorted(arrivals))


@given(st.integers(1, 10**9), st.integers(0, 10**16))
def test_a_mark_is_read_as_it_was_written(number: int, due_us: int) -> None:
    assert Mark.read(str(Mark(number, due_us))) == Mark(number, due_us)
