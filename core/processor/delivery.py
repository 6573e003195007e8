"""One sink's loop: read a chunk of the log, deliver it, move the cursor. Each sink has its own, in its own thread.

Retrying lives here, around the sinks, not inside them. While a service is away, the loop waits. What it did not take is
parked, each group for itself, and the others go on; refused events become dead letters. The cursor on disk never
passes an event that is neither delivered nor dead. All of it only while this rtp leads (`core.leading.epoch`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections import Counter
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from core.errors import LeadershipLost, ServiceUnavailable, SinkUnavailable
from core.leading.loop import Loop
from core.log.dead_event import DeadEvent
from core.log.reader import LogReader
from core.log.rows import LogRow, event_id
from core.problem import Problem, counted, event_facts
from core.processor.in_flight import InFlight
from core.processor.metrics import STANDBY, SinkMetrics
from core.processor.prefetch import Prefetcher
from core.processor.retry_queue import RetryQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.errors import RtpError
    from core.leading.epoch import Epoch, Epochs
    from core.log.cursor import Cursor
    from core.processor.prefetch import Prefetched
    from core.processor.shared_events import SharedEvents
    from core.processor.wakeup import WakeUp
    from core.services.recovery import Recovery
    from core.sinks import Outcome, Rejection, Sink
    from rtp_client.backoff import Backoff
    from rtp_client.event import Event

_LABELS = attrgetter("data.kind", "data.reason", "data.severity")
_LOGGER = logging.getLogger("rtp.delivery")
# A crash repeats what was delivered since the cursor was last written: at most this much. Writing it after every
# batch would cost as much as the batch, and leave a dead row version each time.
SAVE_INTERVAL_SECONDS = 0.05


class Delivery(Loop):
    """Drives one sink, in one epoch after another, until told to stop."""

    def __init__(
        self,
        sink: Sink,
        reader: LogReader,
        wakeup: WakeUp,
        backoff: Backoff,
        epochs: Epochs,
        *,
        shared: SharedEvents,
        max_attempts: int,
        log: Recovery,
        service: Recovery,
        on_problem: Callable[[Problem], None],
        wants: Callable[[LogRow], bool] = lambda _: True,
        on_dead_letters: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(sink.name, epochs)
        self.sink = sink
        self.metrics = SinkMetrics()
        self._reader = reader
        self._wakeup = wakeup
        self._intakes = Prefetcher(reader, name=sink.name, shared=shared, limit=sink.batch_size, wants=wants)
        self._max_attempts = max_attempts
        self._on_problem = on_problem
        self._on_dead_letters = on_dead_letters
        self._is_refused = False
        self._log = log
        self._service = service
        self._saved_at = 0.0
        self._parking = RetryQueue(backoff)
        self._ledger = InFlight()
        self._settled: Cursor | None = None

    def lag(self) -> tuple[int, float]:
        """How far the sink is behind: in events (an upper bound, rolled back ones count too) and in seconds."""
        if self.metrics.idle_since is not None or self.metrics.state == STANDBY:
            return 0, 0.0
        unread = max(0, self._reader.newest_id - self._reader.read_id)
        oldest = self._ledger.oldest_detected_at()
        return unread + len(self._ledger), 0.0 if oldest is None else max(0.0, time.time() - oldest)

    def _prepare(self) -> None:
        """Reach the sink already before the first epoch: a standby that could not deliver says so now."""
        while not self._halt.is_set() and not self._works(self.sink.open, self._service):
            if self._epochs.is_on:
                break
            self._service.pause(self._halt)

    def _serve(self, epoch: Epoch) -> None:
        """Deliver as long as the epoch lasts."""
        self.sink.epoch, self._reader.epoch = epoch, epoch.number
        try:
            while not self._halt.is_set():
                try:
                    if self._connect():
                        self._loop()
                except ServiceUnavailable as error:
                    # Only PostgreSQL's own unavailability gets here: the sink's is handled where it delivers.
                    self._lost_the_log(error)
        except LeadershipLost as lost:
            epoch.end(lost.surpassed_by)
        finally:
            if not self._stopping.is_set():
                self.metrics.reconnects += self._reader.is_open
                self.metrics.note_standby()
            self._forget_what_is_read()

    def _finish(self) -> None:
        self._intakes.close()
        self._reader.close()
        self.sink.close()

    def _connect(self) -> bool:
        """Reach the log and the sink, each tried whether or not the other answers; false where it must halt."""
        missing = [(self._reader.open, self._log), (self.sink.open, self._service)]
        while missing and not self._halt.is_set():
            missing = [(call, recovery) for call, recovery in missing if not self._works(call, recovery)]
            for _, recovery in missing:
                self._wait_before_retry(recovery)
        return not missing

    def _works(self, call: Callable[[], None], recovery: Recovery) -> bool:
        if not recovery.wait_for_turn(self._halt):
            return False
        try:
            call()
        except ServiceUnavailable as error:
            self._note_failure(recovery, error)
            return False
        recovery.connected()
        return True

    def _loop(self) -> None:
        while not self._halt.is_set():
            started = time.monotonic()
            self._try_parked(started)
            if self._parking.is_full:
                self._save_settled()
                self._halt.wait(self._parking.seconds_to_next(started))
                continue
            intake = self._intakes.take()
            self._note_log_works()
            self._ledger.add(intake.chunk.cursor, intake.detected_at)
            self._reader.advance(intake.chunk)
            if intake.is_full:
                self._intakes.prepare()
            if intake.chunk.rows:
                self.metrics.note_work()
                self._wakeup.active()
                self._handle(intake)
                self._save_settled()
                if not intake.is_full:
                    self._pace(intake.began_at)
            else:
                self._save_settled()
                if not self._ledger:
                    self.metrics.note_idle()
                longest_seconds = self._parking.seconds_to_next(started)
                self._wakeup.wait(intake.began_at, self.sink.poll_interval_seconds, longest_seconds=longest_seconds)
        if self._stopping.is_set():  # else it may be dead as the leader's connection is: rather repeat than wait for it
            self._save_position()

    def _pace(self, started: float) -> None:
        """Let a poll interval pass between reads: a lone event goes at once, a stream goes in batches."""
        remaining = started + self.sink.poll_interval_seconds - time.monotonic()
        if remaining > 0:
            self._halt.wait(remaining)

    def _handle(self, intake: Prefetched) -> None:
        self.metrics.detection.observe_all(intake.detection_seconds)
        self.metrics.skipped += len(intake.unwanted)
        for unwanted in intake.unwanted:
            self._ledger.settle(unwanted)
        for row, error in intake.invalid:
            now = datetime.now(UTC)
            self._bury(DeadEvent(row.id, _as_found(row), str(error), 0, now, now))
        if intake.invalid:
            ids = [event_id(row, self._reader.log_id) for row, _ in intake.invalid]
            self._tell_of_letters(ids, str(intake.invalid[-1][1]))
        self._deliver(self._parking.queue_up(intake.events))

    def _try_parked(self, now: float) -> None:
        if self._parking and (due := self._parking.take_due(now, self.sink.batch_size)):
            self._deliver(due)

    def _deliver(self, events: Sequence[Event]) -> None:
        """Deliver or park all; where it must halt before that, they stay unsettled."""
        while events and self._service.wait_for_turn(self._halt):
            try:
                outcome = self.sink.deliver(events)
            except ServiceUnavailable as error:
                self._note_failure(self._service, error)
                self._wait_before_retry(self._service)
            else:
                self._service.succeeded()
                self._note_taken()
                self._note_running()
                self._settle(events, outcome)
                return

    def _note_failure(self, recovery: Recovery, error: ServiceUnavailable) -> None:
        self.metrics.note_retry(str(error))
        recovery.failed(error)
        if isinstance(error, SinkUnavailable) and not error.is_service_down and not self._is_refused:
            self._is_refused = True
            self._on_problem(self._news(f"{str(error).rstrip('.')}. Trying again", error=error.cause))

    def _note_taken(self) -> None:
        if self._is_refused:
            self._is_refused = False
            text = f"{self.sink.service} at {self.sink.address}: recovered"
            self._on_problem(self._news(text, level=logging.INFO))

    def _settle(self, events: Sequence[Event], outcome: Outcome) -> None:
        delivered_at = time.time()
        self.metrics.batches += 1
        self.metrics.batch_sizes[len(events)] += 1
        dead = {refusal.event.id for refusal in outcome.rejected if self._is_dead(refusal)}
        waiting = [event for event in outcome.undelivered if event.id not in dead]
        unsettled = dead | {event.id for event in waiting}
        self._count([event for event in events if event.id not in unsettled] if unsettled else events, delivered_at)
        self._park(events, waiting, outcome.cause)
        self._tell_of_dead([refusal for refusal in outcome.rejected if refusal.event.id in dead])

    def _count(self, delivered: Sequence[Event], delivered_at: float) -> None:
        metrics = self.metrics
        metrics.delivered += len(delivered)
        read_together: Counter[float] = Counter()
        took: list[float] = []
        for event in delivered:
            detected_at, read_at = self._ledger.settle(int(event.sequence))
            took.append(delivered_at - detected_at)
            read_together[read_at] += 1
        metrics.delivery.observe_all(took)
        metrics.events.update(map(_LABELS, delivered))
        for read_at, events in read_together.items():
            metrics.processing.observe(delivered_at - read_at, events)
        if _LOGGER.isEnabledFor(logging.DEBUG):
            self._log_delivered(delivered)

    def _log_delivered(self, delivered: Sequence[Event]) -> None:
        facts = {"sink": self.sink.name, "service": self.sink.service, **event_facts([e.id for e in delivered])}
        _LOGGER.debug("%s: delivered %s", self.sink.name, counted(delivered), extra={"facts": facts})

    def _is_dead(self, refusal: Rejection) -> bool:
        """Whether there is no point in trying again; then it is among the dead letters."""
        event, now = refusal.event, datetime.now(UTC)
        refusals, first_at = self._parking.note_refusal(event.partitionkey, now)
        if not refusal.is_final and refusals < self._max_attempts:
            return False
        self._parking.forget_refusals(event.partitionkey)
        self._bury(DeadEvent(int(event.sequence), event.json_bytes.decode(), refusal.error, refusals, first_at, now))
        return True

    def _tell_of_dead(self, refused: Sequence[Rejection]) -> None:
        if refused:
            self._tell_of_letters([refusal.event.id for refusal in refused], refused[0].error)

    def _tell_of_letters(self, event_ids: Sequence[str], error: str) -> None:
        text = f"{self.sink.name}: {counted(event_ids)} became dead letters: {error}"
        self._on_problem(self._news(text, error=error, **event_facts(event_ids)))

    def _news(self, text: str, *, level: int = logging.WARNING, **facts: Any) -> Problem:
        return Problem(text, "delivery", level, {"sink": self.sink.name, "service": self.sink.service, **facts})

    def _bury(self, letter: DeadEvent) -> None:
        self._ledger.settle(letter.event_id, letter)
        self.metrics.dead_letters += 1

    def _park(self, events: Sequence[Event], waiting: Sequence[Event], cause: str) -> None:
        if not waiting and not self._parking.has_groups:
            self.metrics.parked = 0
            return
        self._parking.park(waiting, time.monotonic())
        held_back = {event.partitionkey for event in waiting}
        self._parking.leave({event.partitionkey for event in events} - held_back)
        if waiting:
            self.metrics.note_retry(cause)
            if not self.metrics.parked:
                text = f"{self.sink.service} did not take all events: {cause}. Trying these again"
                self._on_problem(self._news(text, error=cause, **event_facts([event.id for event in waiting])))
        self.metrics.parked = len(self._parking)

    def _wait_before_retry(self, recovery: Recovery) -> None:
        if self._reader.is_open:
            with contextlib.suppress(ServiceUnavailable):  # only for the status: the next read will say so, and loudly
                self._reader.look_ahead()
        recovery.pause(self._halt)

    def _forget_what_is_read(self) -> None:
        self._intakes.drop()
        self._reader.close()
        self._ledger.clear()
        self._parking.clear()
        self._settled = None

    def _lost_the_log(self, error: ServiceUnavailable) -> None:
        self._forget_what_is_read()
        self.metrics.reconnects += 1
        self.metrics.note_trouble("reconnecting", str(error))
        self._log.lost(error)
        self._log.pause(self._halt)

    def _fail(self, error: RtpError) -> None:
        super()._fail(error)
        self.metrics.note_trouble("stopped", str(error))

    def _note_log_works(self) -> None:
        self._log.succeeded()
        self._note_running()

    def _note_running(self) -> None:
        self.metrics.state = "running"
        if not self._parking:
            self.metrics.last_error = ""

    def _save_settled(self, *, now: bool = False) -> None:
        """Write down how far all is settled: with dead letters at once, else once in a while."""
        cursor, letters = self._ledger.take_settled()
        self._settled = cursor or self._settled
        moment = time.monotonic()
        if self._settled is not None and (now or letters or moment - self._saved_at > SAVE_INTERVAL_SECONDS):
            if letters:
                self._intakes.wait()
            self._reader.save(self._settled, letters)
            self._saved_at = moment
            if letters:
                self._on_dead_letters()

    def _save_position(self) -> None:
        try:
            self._save_settled(now=True)
        except ServiceUnavailable as error:
            self._lost_the_log(error)


def _as_found(row: LogRow) -> str:
    return json.dumps({name: value if value is None else str(value) for name, value in row._asdict().items()})
