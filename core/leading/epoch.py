"""An epoch: the time in which one rtp leads, and what its loops may do in it.

The database counts the epochs. An epoch's number is a fencing token (M. Kleppmann, "How to do distributed locking",
2016): the cursors and Redis refuse a number once they have seen a higher one. SQS can refuse nothing; there an epoch is
good only as long as the database has confirmed it lately.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

from core.errors import LeadershipLost

if TYPE_CHECKING:
    from collections.abc import Callable


def clock() -> float:
    """Seconds that also pass while this process is stopped, and where the system tells, while the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Epoch:
    """One epoch. Thread-safe. Number 0 stands for no epoch: it is never over, and nothing is fenced by it."""

    def __init__(self, number: int, *, lease_seconds: float = math.inf, clock: Callable[[], float] = clock) -> None:
        self.number = number
        self.surpassed_by = 0
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._is_over = False
        self._confirmed_at = clock()
        self._halts: list[threading.Event] = []

    @property
    def is_over(self) -> bool:
        """Whether it has ended for sure."""
        return self._is_over

    @property
    def is_good(self) -> bool:
        """Whether the database has confirmed it within the lease: nobody else can have been given it yet."""
        return not self._is_over and self._clock() - self._confirmed_at < self._lease_seconds

    def check(self) -> None:
        """Raise LeadershipLost unless it is good."""
        if not self.is_good:
            raise LeadershipLost("this rtp does not lead any more")

    def confirm(self, asked_at: float) -> None:
        """Note that the database has confirmed the epoch, asked at that moment of `clock`."""
        with self._changed:
            self._confirmed_at = asked_at
            self._changed.notify_all()

    def wait_until_confirmed(self) -> None:
        """Wait until the database confirms the epoch once more. Raises LeadershipLost where it does not."""
        if not self.number:
            return
        asked_at = self._clock()
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._confirmed_at >= asked_at, self._lease_seconds)
            if self._is_over or self._confirmed_at < asked_at:
                raise LeadershipLost("the database does not confirm that this rtp leads")

    def end(self, surpassed_by: int = 0) -> None:
        """End the epoch; `surpassed_by` is the number of a later one that was met, if any."""
        with self._changed:
            self._is_over = True
            self.surpassed_by = max(self.surpassed_by, surpassed_by)
            halts, self._halts = self._halts, []
            self._changed.notify_all()
        for halt in halts:
            halt.set()

    def halt_at_end(self, halt: threading.Event) -> None:
        """Set `halt` when the epoch ends, or now where it has."""
        with self._changed:
            self._halts.append(halt)
            is_over = self._is_over
        if is_over:
            halt.set()


UNFENCED = Epoch(0)
"""For work outside any epoch, such as a command that delivers by hand."""


class Epochs:
    """Where the loops wait for their turn; `loops` names them."""

    def __init__(self, epoch: Epoch | None = None) -> None:
        self.loops: list[str] = []
        self._changed = threading.Condition()
        self._epoch = epoch

    def begin(self, epoch: Epoch) -> None:
        with self._changed:
            self._epoch = epoch
            self._changed.notify_all()

    @property
    def is_on(self) -> bool:
        """Whether there is an epoch that is not over."""
        return self._epoch is not None and not self._epoch.is_over

    def next(self, stopping: threading.Event, halt: threading.Event) -> Epoch | None:
        """Wait for an epoch that is not over; None where `stopping` is set first. The epoch's end sets `halt`."""
        with self._changed:
            self._changed.wait_for(lambda: stopping.is_set() or self.is_on)
            epoch = self._epoch
        halt.clear()
        if stopping.is_set() or epoch is None:  # looked at after the clearing: a stop sets `stopping` before `halt`
            halt.set()
            return None
        epoch.halt_at_end(halt)
        return epoch

    def wake(self) -> None:
        """Have every waiting loop look at its `stopping`."""
        with self._changed:
            self._changed.notify_all()
