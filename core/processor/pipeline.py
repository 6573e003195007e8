"""All sinks' loops, judging, and the wake-up they share, as one thing to start and stop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.cache.rebuild import CacheRebuilder
    from core.cache.refresh import CacheRefresher
    from core.errors import RtpError
    from core.leading.election import Election
    from core.leading.loop import Loop
    from core.letters.dlq_copier import DlqCopier
    from core.processor.deferred_judge import DeferredJudge
    from core.processor.delivery import Delivery
    from core.processor.wakeup import WakeUp
    from core.services.circuit import CircuitBreaker

# The batch in hand may be waiting for a service's answer until its own timeout.
STOP_TIMEOUT_SECONDS = 15.0


class Pipeline:
    """Starts every sink's loop, stops them together, and knows whether there is anything left to do.

    The loops work while `leadership` gives them an epoch.
    """

    def __init__(
        self,
        deliveries: Sequence[Delivery],
        wakeup: WakeUp,
        judging: DeferredJudge,
        rebuilding: CacheRebuilder | None,
        freshening: CacheRefresher | None,
        forwarding: DlqCopier,
        leadership: Election,
        *,
        circuits: Sequence[CircuitBreaker],
    ) -> None:
        self.deliveries = deliveries
        self.judging = judging
        self.forwarding = forwarding
        self.circuits = circuits
        self.rebuilding = rebuilding
        self.leadership = leadership
        self._wakeup = wakeup
        optional = (loop for loop in (rebuilding, freshening) if loop is not None)
        self._loops: Sequence[Loop] = (wakeup, judging, forwarding, *deliveries, *optional)

    def start(self) -> None:
        """Start all loops."""
        for loop in self._loops:
            loop.start()
        self.leadership.start()

    def stop(self) -> bool:
        """Let every sink finish the batch in hand, then leave the lead to others; false where one did not in time."""
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for loop in self._loops:
            loop.request_stop()
        ended = [loop.join(max(0.0, deadline - time.monotonic())) for loop in self._loops]
        self.leadership.stop()
        return all(ended)

    @property
    def failure(self) -> RtpError | None:
        """Why a loop ended by itself, if one did."""
        failures = (self.leadership.failure, *(loop.failure for loop in self._loops))
        return next((failure for failure in failures if failure is not None), None)

    def idle_seconds(self) -> float:
        """For how long there has been nothing to judge and nothing to deliver; 0 while there is."""
        since = [
            *(delivery.metrics.idle_since for delivery in self.deliveries),
            self.judging.idle_since,
            self.forwarding.idle_since,
        ]
        known = [moment for moment in since if moment is not None]
        return time.monotonic() - max(known) if len(known) == len(since) else 0.0

    def threads(self) -> dict[str, bool]:
        """Every thread that a running pipeline has, and whether it is alive."""
        return {loop.name: loop.is_running for loop in self._loops} | {"leader": self.leadership.is_running}

    @property
    def is_asleep(self) -> bool:
        """Whether rtp waits for a notification."""
        return self._wakeup.is_asleep
