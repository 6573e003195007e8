"""Waiting for something to become true, with a deadline far beyond what is usual: a busy machine must fail no test."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable


Answer = TypeVar("Answer")


def eventually(condition: Callable[[], Answer], *, within_seconds: float = 60) -> Answer:
    """Ask until the answer is true, and return it; fail where it is not by the deadline."""
    deadline = time.monotonic() + within_seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{condition} was still {answer!r} after {within_seconds} s")
        time.sleep(0.002)
    return answer
