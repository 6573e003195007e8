"""All sinks' loops, judging, and the wake-up they share, as one thing to start and stop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.errors import RtpError
    from core.processor.circuit import CircuitBreaker
    from core.processor.delivery import Delivery
    from core.processor.forwarding import Forwarding
    from core.processor.freshening import Freshening
    from core.processor.judging import Judging
    from core.processor.leader import Leadership
    from core.processor.rebuilding import Rebuilding
    from core.processor.wakeup import WakeUp

# The batch in hand may be waiting for a service's answer until its own timeout.
STOP_TIMEOUT_SECONDS = 15.0


class Pipeline:
    """Starts every sink's loop, stops them together, and knows whether there is anything left to do.

    The loops work while `leadership` gives them a term.
    """

    def __init__(
        self,
        deliveries: Sequence[Delivery],
        wakeup: WakeUp,
        judging: Judging,
        rebuilding: Rebuilding | None,
        freshening: Freshening | None,
        forwarding: Forwarding,
        leadership: Leadership,
        *,
        circuits: Sequence[CircuitBreaker],
    ) -> None:
        self.deliveries = deliveries
        self.judging = judging
        self.forwarding = forwarding
        self.circuits = circuits
        self.rebuilding = rebuilding
        self.freshening = freshening
        self.leadership = leadership
        self._wakeup = wakeup

    def start(self) -> None:
        """Start all loops."""
        self._wakeup.start()
        self.judging.start()
        self.forwarding.start()
        for delivery in self.deliveries:
            delivery.start()
        if self.rebuilding:
            self.rebuilding.start()
        if self.freshening:
            self.freshening.start()
        self.leadership.start()

    def stop(self) -> bool:
        """Let every sink finish the batch in hand, then leave the lead to others; false where one did not in time."""
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for delivery in self.deliveries:
            delivery.request_stop()
        self.judging.request_stop()
        self.forwarding.request_stop()
        if self.rebuilding:
            self.rebuilding.request_stop()
        if self.freshening:
            self.freshening.request_stop()
        self._wakeup.stop()
        joins = [*(delivery.join for delivery in self.deliveries), self.judging.join, self.forwarding.join]
        if self.rebuilding:
            joins.append(self.rebuilding.join)
        if self.freshening:
            joins.append(self.freshening.join)
        ended = [join(max(0.0, deadline - time.monotonic())) for join in joins]
        self.leadership.stop()
        return all(ended)

    @property
    def failure(self) -> RtpError | None:
        """Why a loop ended by itself, if one did."""
        failures = (self.leadership.failure, *(delivery.failure for delivery in self.deliveries))
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
        threads = {delivery.sink.name: delivery.is_running for delivery in self.deliveries}
        threads |= {"wakeup": self._wakeup.is_running, "judging": self.judging.is_running}
        threads |= {"letters": self.forwarding.is_running, "leader": self.leadership.is_running}
        threads |= {"rebuild": self.rebuilding.is_running} if self.rebuilding else {}
        return threads | ({"cache": self.freshening.is_running} if self.freshening else {})

    @property
    def is_asleep(self) -> bool:
        """Whether rtp waits for a notification."""
        return self._wakeup.is_asleep
