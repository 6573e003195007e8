"""Of news that comes by the thousand, the first few are told one by one, and the rest is counted."""

from __future__ import annotations

import pytest

from core.processor.storm import INTERVAL_SECONDS, MOST_SINGLE, Storm


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storm(clock: Clock) -> Storm:
    """One in which the first few have been told, and seven more were counted."""
    made = Storm(clock)
    assert [made.is_worth_a_line(1) for _ in range(MOST_SINGLE)] == [True] * MOST_SINGLE
    assert not made.is_worth_a_line(7)
    return made


def test_what_was_counted_is_told_once_the_interval_has_passed(storm: Storm, clock: Clock) -> None:
    before = storm.take_untold()
    clock.now += INTERVAL_SECONDS
    assert (before, storm.take_untold(), storm.take_untold()) == (0, 7, 0)


def test_a_storm_that_goes_on_is_counted_on(storm: Storm, clock: Clock) -> None:
    clock.now += INTERVAL_SECONDS
    storm.take_untold()
    assert not storm.is_worth_a_line(3)
    clock.now += INTERVAL_SECONDS
    assert storm.take_untold() == 3


def test_after_a_quiet_interval_the_next_is_told_singly_again(storm: Storm, clock: Clock) -> None:
    for _ in range(2):
        clock.now += INTERVAL_SECONDS
        storm.take_untold()
    assert storm.is_worth_a_line(1)


def test_at_the_end_all_that_was_counted_is_told(storm: Storm) -> None:
    assert storm.take_untold(at_once=True) == 7
