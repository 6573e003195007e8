"""News that would come by the thousand: the first few one by one, then how many more there were, once an interval."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_SINGLE = 5
INTERVAL_SECONDS = 10.0


class Storm:
    """Counts what is not told singly. It is over once an interval has passed without any."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_at = 0.0
        self._told = 0
        self._untold = 0

    def is_worth_a_line(self, count: int) -> bool:
        """Whether news of so many events is to be told now; else they are counted."""
        if self._told == 0:
            self._ends_at = self._clock() + INTERVAL_SECONDS
        if self._told < MOST_SINGLE:
            self._told += 1
            return True
        self._untold += count
        return False

    def take_untold(self, *, at_once: bool = False) -> int:
        """How many events were only counted in an interval that has ended, or ends here; 0 before that."""
        if not self._told or (not at_once and self._clock() < self._ends_at):
            return 0
        untold, self._untold = self._untold, 0
        self._ends_at += INTERVAL_SECONDS
        if not untold:
            self._told = 0
        return untold
