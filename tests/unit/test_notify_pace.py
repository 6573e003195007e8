"""How many messages of a destination are under way at a time."""

from __future__ import annotations

from itertools import accumulate

import pytest

from core.notify.tellers.pace import MessagePace


def paced(*answers_ms: float, most: int = 8) -> int:
    """How many may be under way after answers that took so long."""
    times = iter(accumulate(part / 1000 for answer in answers_ms for part in (0, answer)))
    pace = MessagePace(most, clock=lambda: next(times))
    for _ in answers_ms:
        with pace.telling():
            pass
    return pace.at_once


@pytest.mark.parametrize(
    ("answers_ms", "at_once"),
    [((), 2), ((1,), 2), ((9,), 4), ((200,), 8), ((1, 200), 2), ((1, *[200] * 32), 8), ((200, *[1] * 32), 2)],
)
def test_as_many_as_the_quickest_of_the_last_answers_leaves_time_for(
    answers_ms: tuple[float, ...], at_once: int
) -> None:
    assert paced(*answers_ms) == at_once


def test_no_more_than_the_service_may_get_at_once() -> None:
    assert paced(200, most=3) == 3
