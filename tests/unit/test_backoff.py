"""When to try again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp_client.backoff import Backoff


def bounds(attempt: int, initial_seconds: float = 0.1, max_seconds: float = 10) -> tuple[float, float]:
    """Between which two waits the random one is drawn."""
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    Backoff(initial_seconds, max_seconds, uniform).wait_seconds(attempt)
    return drawn[0]


@pytest.mark.parametrize(("attempt", "longest"), [(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.8)])
def test_each_failure_doubles_the_longest_wait(attempt: int, longest: float) -> None:
    assert bounds(attempt)[1] == pytest.approx(longest)


@pytest.mark.parametrize("attempt", [8, 100, 10**6, 10**30])
def test_no_wait_is_longer_than_the_cap(attempt: int) -> None:
    assert bounds(attempt)[1] == 10


@given(st.integers(1, 1000))
def test_a_wait_may_be_nothing_so_that_many_waiting_clients_spread(attempt: int) -> None:
    assert bounds(attempt)[0] == 0


def test_the_wait_is_what_was_drawn() -> None:
    assert Backoff(1, 10, lambda low, high: (low + high) / 4).wait_seconds(3) == 1
