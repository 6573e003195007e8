"""Every loop of a running rtp, as one thing to start and stop."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arming.loop import ArmingLoop
    from core.cache.rebuild import CacheRebuilder
    from core.cache.refresh import CacheRefresher
    from core.errors import RtpError
    from core.judging.loop import JudgeLoop
    from core.leading.election import Election
    from core.leading.loop import Loop
    from core.letters.dlq_copier import DlqCopier
    from core.processor.delivery import Delivery
    from core.processor.housekeeping import Housekeeping
    from core.processor.wakeup import WakeUp
    from core.services.circuit import CircuitBreaker
    from core.services.recovery import Recovery
    from core.trouble import Trouble, Troubles

# Nearly every batch in hand is delivered within that.
GRACE_SECONDS = 2.0
# What cannot be abandoned may be waiting for a service's answer until its own timeout.
STOP_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Starts every loop, stops them together, and knows whether there is anything left to do.

    The loops work while `election` gives them an epoch. Without Redis there is no cache to keep.
    """

    deliveries: Sequence[Delivery]
    wakeup: WakeUp
    judge: JudgeLoop
    housekeeping: Housekeeping
    dlq_copier: DlqCopier
    arming: ArmingLoop
    cache_rebuilder: CacheRebuilder | None = None
    cache_refresher: CacheRefresher | None = None
    election: Election
    circuits: Sequence[CircuitBreaker]
    troubles: Troubles
    recoveries: Sequence[Recovery]

    @property
    def _loops(self) -> Sequence[Loop]:
        cache = (loop for loop in (self.cache_rebuilder, self.cache_refresher) if loop is not None)
        return (self.wakeup, self.judge, self.dlq_copier, self.arming, *self.deliveries, *cache)

    def start(self) -> None:
        for loop in self._loops:
            loop.start()
        self.election.start()

    def stop(self) -> bool:
        """Let every sink finish the batch in hand, then leave the lead to others; false where one did not in time."""
        started = time.monotonic()
        for loop in self._loops:
            loop.request_stop()
        late = _not_ended(self._loops, started + GRACE_SECONDS)
        abandoned = [loop for loop in late if loop.abandon()]
        late = _not_ended(late, started + STOP_TIMEOUT_SECONDS)
        self.election.stop()
        return not late and not abandoned

    @property
    def failure(self) -> RtpError | None:
        """Why a loop ended by itself, if one did."""
        failures = (self.election.failure, *(loop.failure for loop in self._loops))
        return next((failure for failure in failures if failure is not None), None)

    def idle_seconds(self) -> float:
        """For how long there has been nothing to judge and nothing to deliver; 0 while there is."""
        since = [
            *(delivery.metrics.idle_since for delivery in self.deliveries),
            self.judge.idle_since,
            self.dlq_copier.idle_since,
        ]
        known = [moment for moment in since if moment is not None]
        return time.monotonic() - max(known) if len(known) == len(since) else 0.0

    def lag(self, delivery: Delivery) -> tuple[int, float, int]:
        """How far a sink is behind: in events, in seconds and in bytes of the log.

        The sink's loop knows the age of what it has read; the saved cursor tells of what it has not read yet.
        """
        events, seconds = delivery.lag()
        if delivery.metrics.idle_since is not None:
            return 0, 0.0, 0
        saved_seconds, size_bytes = self.housekeeping.alarm.lag_of(delivery.sink.name)
        return events, max(seconds, saved_seconds), size_bytes

    @property
    def needed_parts(self) -> frozenset[str]:
        """The parts without which events do not reach a sink in time."""
        return frozenset(("election", self.judge.name, *(delivery.sink.name for delivery in self.deliveries)))

    @property
    def work_done(self) -> int:
        """How many samples have been judged and events delivered since the start, to all sinks."""
        return self.judge.judged + sum(delivery.metrics.delivered for delivery in self.deliveries)

    def in_the_way(self) -> list[Trouble]:
        """The troubles of needed parts."""
        return [trouble for trouble in self.troubles.current() if trouble.part in self.needed_parts]

    def never_reached(self) -> list[Trouble]:
        """The troubles of needed parts with a service that has not done anything for them since the start."""
        missed = {(one.part, one.circuit.service) for one in self.recoveries if not one.has_worked}
        return [trouble for trouble in self.in_the_way() if (trouble.part, trouble.service) in missed]

    @property
    def is_asleep(self) -> bool:
        """Whether rtp waits for a notification."""
        return self.wakeup.is_asleep

    def threads(self) -> dict[str, bool]:
        """Every thread that a running pipeline has, and whether it is alive."""
        return {loop.name: loop.is_running for loop in self._loops} | {"election": self.election.is_running}


def _not_ended(loops: Sequence[Loop], deadline: float) -> list[Loop]:
    return [loop for loop in loops if not loop.join(max(0.0, deadline - time.monotonic()))]
