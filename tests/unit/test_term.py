"""A term: good while it is confirmed, over once and for all, and what waits for it is told."""

from __future__ import annotations

import threading

import pytest

from core.errors import LeadershipLost
from core.term import UNFENCED, Term, Terms
from tests.clock import Clock


@pytest.fixture
def term(clock: Clock) -> Term:
    return Term(7, lease_seconds=5, clock=clock)


def test_a_term_is_good_within_the_lease(term: Term, clock: Clock) -> None:
    clock.now += 4.9
    term.check()


def test_a_term_is_not_good_after_the_lease(term: Term, clock: Clock) -> None:
    clock.now += 5
    with pytest.raises(LeadershipLost):
        term.check()


def test_a_confirmation_counts_from_when_it_was_asked_for(term: Term, clock: Clock) -> None:
    clock.now += 10
    term.confirm(asked_at=clock.now - 4)
    clock.now += 1
    assert not term.is_good


def test_a_term_that_ended_is_not_good(term: Term) -> None:
    term.end()
    assert (term.is_over, term.is_good) == (True, False)


def test_the_highest_epoch_that_was_met_is_kept(term: Term) -> None:
    for epoch in (9, 12, 0):
        term.end(surpassed_by=epoch)
    assert term.surpassed_by == 12


def test_nobodys_term_is_always_good() -> None:
    UNFENCED.check()
    UNFENCED.wait_until_confirmed()


def test_who_waits_for_a_confirmation_gets_one_that_was_asked_for_later(term: Term, clock: Clock) -> None:
    clock.now += 2
    waiter = threading.Thread(target=term.wait_until_confirmed)
    waiter.start()
    term.confirm(asked_at=clock.now - 1)
    waiter.join(0.05)
    was_waiting = waiter.is_alive()
    term.confirm(asked_at=clock.now)
    waiter.join(10)
    assert (was_waiting, waiter.is_alive()) == (True, False)


def test_who_waits_for_a_confirmation_is_told_when_the_term_ends(term: Term) -> None:
    term.end()
    with pytest.raises(LeadershipLost):
        term.wait_until_confirmed()


def test_the_end_halts_whoever_works(term: Term) -> None:
    halt = threading.Event()
    term.halt_at_end(halt)
    was_halted = halt.is_set()
    term.end()
    assert (was_halted, halt.is_set()) == (False, True)


def test_who_comes_after_the_end_is_halted_at_once(term: Term) -> None:
    halt = threading.Event()
    term.end()
    term.halt_at_end(halt)
    assert halt.is_set()


def test_a_loop_waits_for_the_next_term(term: Term) -> None:
    terms, stopping, halt, got = Terms(), threading.Event(), threading.Event(), []
    loop = threading.Thread(target=lambda: got.append(terms.next(stopping, halt)))
    loop.start()
    terms.begin(term)
    loop.join(10)
    assert got == [term]


def test_a_term_that_is_over_is_not_given(term: Term) -> None:
    terms, stopping, halt, got = Terms(term), threading.Event(), threading.Event(), []
    term.end()
    loop = threading.Thread(target=lambda: got.append(terms.next(stopping, halt)))
    loop.start()
    stopping.set()
    terms.wake()
    loop.join(10)
    assert got == [None]


def test_a_loop_that_is_told_to_stop_gets_no_term(term: Term) -> None:
    stopping, halt = threading.Event(), threading.Event()
    stopping.set()
    assert (Terms(term).next(stopping, halt), halt.is_set()) == (None, True)
