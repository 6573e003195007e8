"""Leaving a queue alone that fails, so that it costs a batch nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_SECONDS, _MOST_SECONDS = 1.0, 60.0


class Rest:
    """After a failure a queue is left alone for a second, after each further one twice as long, up to a minute.

    A circuit breaker for one caller that must not wait for its turn: what it does not send now is sent by a later call.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        self._seconds = _FIRST_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether the queue may be tried."""
        return self._clock() >= self._until

    def failed(self) -> None:
        """The queue took nothing."""
        self._until = self._clock() + self._seconds
        self._seconds = min(2 * self._seconds, _MOST_SECONDS)

    def succeeded(self) -> None:
        """The queue takes again."""
        self._until, self._seconds = 0.0, _FIRST_SECONDS
