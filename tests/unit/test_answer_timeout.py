"""How long to wait for an answer: little at first, longer for a while after a silence."""

from __future__ import annotations

import pytest

from rtp_client.answer_timeout import FIRST_SECONDS, AnswerTimeout
from tests.clock import Clock


def test_a_first_silence_is_given_up_soon(clock: Clock) -> None:
    assert AnswerTimeout(5, clock=clock).seconds == FIRST_SECONDS


def test_after_a_silence_an_answer_may_take_as_long_as_the_settings_allow(clock: Clock) -> None:
    answer_timeout = AnswerTimeout(5, clock=clock)
    answer_timeout.note_silence()
    assert (answer_timeout.is_long, answer_timeout.seconds) == (True, 5)


def test_it_lasts_until_the_same_can_have_been_asked_again(clock: Clock) -> None:
    answer_timeout = AnswerTimeout(60, clock=clock)
    answer_timeout.note_silence()
    clock.now += 3
    assert answer_timeout.is_long


def test_it_is_short_again_soon(clock: Clock) -> None:
    answer_timeout = AnswerTimeout(5, clock=clock)
    answer_timeout.note_silence()
    clock.now += 5
    assert (answer_timeout.is_long, answer_timeout.seconds) == (False, FIRST_SECONDS)


@pytest.mark.parametrize(("took_seconds", "is_long"), [(0.1, False), (2.0, True)])
def test_a_server_that_is_slow_is_given_the_time_it_takes(clock: Clock, took_seconds: float, is_long: bool) -> None:
    answer_timeout = AnswerTimeout(5, clock=clock)
    answer_timeout.note_answer(took_seconds)
    assert answer_timeout.is_long == is_long


def test_settings_that_allow_less_are_kept(clock: Clock) -> None:
    answer_timeout = AnswerTimeout(0.3, clock=clock)
    before = answer_timeout.seconds
    answer_timeout.note_silence()
    assert (before, answer_timeout.seconds) == (0.3, 0.3)


def test_who_asks_for_what_may_take_its_time_is_patient_from_the_first(clock: Clock) -> None:
    assert AnswerTimeout(5, first_seconds=5, clock=clock).seconds == 5
