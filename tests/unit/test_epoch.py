"""An epoch: good while it is confirmed, over once and for all, and what waits for it is told."""

from __future__ import annotations

import threading

import pytest

from core.errors import LeadershipLost
from core.leading.epoch import UNFENCED, Epoch, Epochs
from tests.clock import Clock


@pytest.fixture
def epoch(clock: Clock) -> Epoch:
    return Epoch(7, lease_seconds=5, clock=clock)


def test_an_epoch_is_good_within_the_lease(epoch: Epoch, clock: Clock) -> None:
    clock.now += 4.9
    epoch.check()


def test_an_epoch_is_not_good_after_the_lease(epoch: Epoch, clock: Clock) -> None:
    clock.now += 5
    with pytest.raises(LeadershipLost):
        epoch.check()


def test_a_confirmation_counts_from_when_it_was_asked_for(epoch: Epoch, clock: Clock) -> None:
    clock.now += 10
    epoch.confirm(asked_at=clock.now - 4)
    clock.now += 1
    assert not epoch.is_good


def test_an_epoch_that_ended_is_not_good(epoch: Epoch) -> None:
    epoch.end()
    assert (epoch.is_over, epoch.is_good) == (True, False)


def test_the_highest_epoch_that_was_met_is_kept(epoch: Epoch) -> None:
    for number in (9, 12, 0):
        epoch.end(surpassed_by=number)
    assert epoch.surpassed_by == 12


def test_nobodys_epoch_is_always_good() -> None:
    UNFENCED.check()
    UNFENCED.wait_until_confirmed()


def test_who_waits_for_a_confirmation_gets_one_that_was_asked_for_later(epoch: Epoch, clock: Clock) -> None:
    clock.now += 2
    waiter = threading.Thread(target=epoch.wait_until_confirmed)
    waiter.start()
    epoch.confirm(asked_at=clock.now - 1)
    waiter.join(0.05)
    was_waiting = waiter.is_alive()
    epoch.confirm(asked_at=clock.now)
    waiter.join(10)
    assert (was_waiting, waiter.is_alive()) == (True, False)


def test_who_waits_for_a_confirmation_is_told_when_the_epoch_ends(epoch: Epoch) -> None:
    epoch.end()
    with pytest.raises(LeadershipLost):
        epoch.wait_until_confirmed()


def test_the_end_halts_whoever_works(epoch: Epoch) -> None:
    halt = threading.Event()
    epoch.halt_at_end(halt)
    was_halted = halt.is_set()
    epoch.end()
    assert (was_halted, halt.is_set()) == (False, True)


def test_who_comes_after_the_end_is_halted_at_once(epoch: Epoch) -> None:
    halt = threading.Event()
    epoch.end()
    epoch.halt_at_end(halt)
    assert halt.is_set()


def test_a_loop_waits_for_the_next_epoch(epoch: Epoch) -> None:
    epochs, stopping, halt, got = Epochs(), threading.Event(), threading.Event(), []
    loop = threading.Thread(target=lambda: got.append(epochs.next(stopping, halt)))
    loop.start()
    epochs.begin(epoch)
    loop.join(10)
    assert got == [epoch]


def test_an_epoch_that_is_over_is_not_given(epoch: Epoch) -> None:
    epochs, stopping, halt, got = Epochs(epoch), threading.Event(), threading.Event(), []
    epoch.end()
    loop = threading.Thread(target=lambda: got.append(epochs.next(stopping, halt)))
    loop.start()
    stopping.set()
    epochs.wake()
    loop.join(10)
    assert got == [None]


def test_a_loop_that_is_told_to_stop_gets_no_epoch(epoch: Epoch) -> None:
    stopping, halt = threading.Event(), threading.Event()
    stopping.set()
    assert (Epochs(epoch).next(stopping, halt), halt.is_set()) == (None, True)
