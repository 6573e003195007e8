"""How long to wait for an answer: little at first, longer for a while after a silence."""

from __future__ import annotations

import pytest

from core.patience import FIRST_SECONDS, Patience
from tests.clock import Clock


def test_a_first_silence_is_given_up_soon(clock: Clock) -> None:
    assert Patience(5, clock=clock).seconds == FIRST_SECONDS


def test_after_a_silence_an_answer_may_take_as_long_as_the_settings_allow(clock: Clock) -> None:
    patience = Patience(5, clock=clock)
    patience.note_silence()
    assert (patience.is_long, patience.seconds) == (True, 5)


def test_it_lasts_until_the_same_can_have_been_asked_again(clock: Clock) -> None:
    patience = Patience(60, clock=clock)
    patience.note_silence()
    clock.now += 3
    assert patience.is_long


def test_it_is_short_again_soon(clock: Clock) -> None:
    patience = Patience(5, clock=clock)
    patience.note_silence()
    clock.now += 5
    assert (patience.is_long, patience.seconds) == (False, FIRST_SECONDS)


@pytest.mark.parametrize(("took_seconds", "is_long"), [(0.1, False), (2.0, True)])
def test_a_server_that_is_slow_is_given_the_time_it_takes(clock: Clock, took_seconds: float, is_long: bool) -> None:
    patience = Patience(5, clock=clock)
    patience.note_answer(took_seconds)
    assert patience.is_long == is_long


def test_settings_that_allow_less_are_kept(clock: Clock) -> None:
    patience = Patience(0.3, clock=clock)
    before = patience.seconds
    patience.note_silence()
    assert (before, patience.seconds) == (0.3, 0.3)


def test_who_asks_for_what_may_take_its_time_is_patient_from_the_first(clock: Clock) -> None:
    assert Patience(5, first_seconds=5, clock=clock).seconds == 5
