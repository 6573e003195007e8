"""Waiting for something to become true, with a deadline far beyond what is usual: a busy machine must fail no test."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable


Answer = TypeVar("Answer")


def eventually(condition: Callable[[], Answer], *, within_seconds: float = 60) -> Answer:
    """Ask until the answer is true, and return it; fail where it is not by the deadline."""
    started, pause = time.monotonic(), 0.002
    while not (answer := condition()):
        if time.monotonic() > started + within_seconds:
            raise AssertionError(f"{condition} was still {answer!r} after {within_seconds} s")
        time.sleep(pause)
        pause = min(pause * 1.2, 0.01)  # asking costs what is waited for its time
    return answer
