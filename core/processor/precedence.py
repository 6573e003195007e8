"""Who goes first in a wave: the sink that people wait milliseconds for; the others send once it has its answers.

Behind one large commit all sinks have the same thousand events at the same moment. They share an interpreter, and on a
small machine the CPUs, too: each then takes as long as all of them.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# From the first one's look at the log on. Where it takes longer, as behind a backlog, nobody waits for it any more.
_LONGEST_SECONDS = 0.05


class Precedence:
    """One per process. The sink that goes first calls `begin` and `end`, the others call `wait`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._began_at: float | None = None

    def begin(self) -> None:
        """The first one is about to look for events; it may have begun already."""
        if self._began_at is None:
            self._began_at = self._clock()

    def end(self) -> None:
        """The first one has delivered what there was."""
        with self._changed:
            self._began_at = None
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait for the first one's end, but not for long."""
        with self._changed:
            if (began_at := self._began_at) is not None:
                left = began_at + _LONGEST_SECONDS - self._clock()
                self._changed.wait_for(lambda: self._began_at != began_at, max(0.0, left))
