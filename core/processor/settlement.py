"""What becomes of each event that was read: delivered, not for this sink, parked for a later try, or dead."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.log.dead_event import DeadEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.processor.in_flight import InFlight
    from core.processor.metrics import SinkMetrics
    from core.processor.news import SinkNews
    from core.processor.prefetch import Prefetched
    from core.processor.retry_queue import RetryQueue
    from core.sinks import Rejection
    from core.sinks.handover import SinkAnswer
    from rtp_client.event import Event


class BatchSettlement:
    """Settles what one sink's loop has read. An event that is refused `max_attempts` times is dead."""

    def __init__(
        self, in_flight: InFlight, retries: RetryQueue, metrics: SinkMetrics, news: SinkNews, *, max_attempts: int
    ) -> None:
        self._in_flight = in_flight
        self._retries = retries
        self._metrics = metrics
        self._news = news
        self._max_attempts = max_attempts

    def settle_unsent(self, read: Prefetched) -> None:
        """Settle what no sink is to get, or not this one."""
        self._metrics.skipped += len(read.unwanted)
        for event_id in read.unwanted:
            self._in_flight.settle(event_id)
        self._bury(read.invalid)

    def settle_sent(self, answer: SinkAnswer) -> None:
        """Settle a batch as the sink has answered."""
        events, outcome = answer.events, answer.outcome
        self._metrics.count_batch(len(events))
        if not outcome.undelivered and not outcome.rejected:
            self._settle_delivered(events, answer.answered_at)
            self._park(events, (), "")
            return
        dead = self._take_dead(outcome.rejected)
        waiting = [event for event in outcome.undelivered if event.id not in dead]
        unsettled = dead.keys() | {event.id for event in waiting}
        self._settle_delivered([event for event in events if event.id not in unsettled], answer.answered_at)
        self._bury(dead)
        self._park(events, waiting, outcome.cause)

    def _settle_delivered(self, events: Sequence[Event], answered_at: float) -> None:
        times = self._in_flight.settle_delivered([int(event.sequence) for event in events])
        self._metrics.count_delivered(events, times, answered_at)
        self._news.delivered(events)

    def _take_dead(self, rejections: Sequence[Rejection]) -> dict[str, DeadEvent]:
        """Count the refusals; what there is no point in trying again is forgotten by the retry queue, and returned."""
        dead: dict[str, DeadEvent] = {}
        now = datetime.now(UTC)
        for refusal in rejections:
            event = refusal.event
            refusals, first_at = self._retries.note_refusal(event.partitionkey, now)
            if refusal.is_final or refusals >= self._max_attempts:
                self._retries.forget_refusals(event.partitionkey)
                document = event.json_bytes.decode()
                dead[event.id] = DeadEvent(int(event.sequence), document, refusal.error, refusals, first_at, now)
        return dead

    def _bury(self, dead: Mapping[str, DeadEvent]) -> None:
        if dead:
            for event in dead.values():
                self._in_flight.settle(event.event_id, event)
            self._metrics.dead_letters += len(dead)
            self._news.died(dead, next(iter(dead.values())).error)

    def _park(self, events: Sequence[Event], waiting: Sequence[Event], cause: str) -> None:
        if not waiting and not self._retries.has_groups:
            self._metrics.parked = 0
            return
        self._retries.park(waiting, time.monotonic())
        held_back = {event.partitionkey for event in waiting}
        self._retries.leave({event.partitionkey for event in events} - held_back)
        if waiting:
            self._metrics.note_retry(cause)
            if not self._metrics.parked:
                self._news.parked(waiting, cause)
        self._metrics.parked = len(self._retries)
