"""How many messages of a destination are under way at a time: as many as its service keeps waiting."""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LEAST = 2
_LOOK_AT = 32
_SECONDS_OF_ONE = 0.0025
"""About what rtp itself works on a message, with all that it notes of it. Threads beyond one that works and those that
wait only get into each other's way: to a service that answers at once two tell more than eight do.
"""


class MessagePace:
    """For any threads. By the quickest of the last answers, as the slower ones may have waited for rtp itself."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._took: deque[float] = deque(maxlen=_LOOK_AT)

    @property
    def at_once(self) -> int:
        """So many may be under way now."""
        quickest = min(tuple(self._took), default=0.0)
        return min(self._most, max(_LEAST, ceil(quickest / _SECONDS_OF_ONE)))

    @contextmanager
    def telling(self) -> Iterator[None]:
        """While a message is told."""
        began = self._clock()
        yield
        self._took.append(self._clock() - began)
