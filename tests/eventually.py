"""Waiting for something to become true, with a deadline far beyond what is usual: a busy machine must fail no test."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable


Answer = TypeVar("Answer")
_LONGEST_PAUSE = 0.2


def eventually(condition: Callable[[], Answer], *, within_seconds: float = 60) -> Answer:
    """Ask until the answer is true, and return it; fail where it is not by the deadline."""
    started = asked = time.monotonic()
    pause = 0.002
    while not (answer := condition()):
        answered = time.monotonic()
        if answered > started + within_seconds:
            raise AssertionError(f"{condition} was still {answer!r} after {within_seconds} s")
        # Asking costs what is waited for its time: a question of 20 ms, as all metrics are, is asked a fourth of it.
        time.sleep(max(pause, min(3 * (answered - asked), _LONGEST_PAUSE)))
        pause = min(pause * 1.2, 0.01)
        asked = time.monotonic()
    return answer
