"""One sink's loop: read a chunk of the log, deliver it, move the cursor. Each sink has its own, in its own thread.

While a service is away, the loop waits. What the sink did not take is parked, each group for itself, and the others go
on; refused events become dead letters. The cursor on disk never passes an event that is neither delivered nor dead.
All of it only while this rtp leads (`core.leading.epoch`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.errors import LeadershipLost, ServiceUnavailable
from core.leading.loop import Loop
from core.processor.connector import Connector
from core.processor.cursor_saver import SAVE_INTERVAL_SECONDS, CursorSaver
from core.processor.in_flight import InFlight
from core.processor.metrics import STANDBY, SinkMetrics
from core.processor.news import SinkNews
from core.processor.precedence import Precedence
from core.processor.prefetch import Prefetcher
from core.processor.retry_queue import RetryQueue
from core.processor.settlement import BatchSettlement
from core.sinks.handover import handover_to

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.errors import RtpError
    from core.leading.epoch import Epoch, Epochs
    from core.log.reader import LogReader
    from core.log.rows import LogRow
    from core.problem import Problem
    from core.processor.wakeup import WakeUp
    from core.services.recovery import Recovery
    from core.sinks import Sink
    from core.sinks.handover import SinkAnswer
    from rtp_client.event import Event

# A pause so short is slept through: a wait that a stop can end takes half as much CPU again.
_SHORT_SECONDS = 0.01
# When stopping. What is not sent by then is read again by whoever comes next. What is under way has the rest of the
# pipeline's GRACE_SECONDS to be answered.
_FINISH_SECONDS = 1.0


class Delivery(Loop):
    """Drives one sink, in one epoch after another, until told to stop.

    `log` and `service` are the loop's ways back to PostgreSQL and to the sink's service.
    """

    def __init__(
        self,
        sink: Sink,
        reader: LogReader,
        wakeup: WakeUp,
        epochs: Epochs,
        *,
        log: Recovery,
        service: Recovery,
        source: str,
        max_attempts: int,
        on_problem: Callable[[Problem], None],
        wants: Callable[[LogRow], bool] = lambda _: True,
        on_dead_letters: Callable[[], None] = lambda: None,
        precedence: Precedence | None = None,
    ) -> None:
        super().__init__(sink.name, epochs)
        self.sink = sink
        self.metrics = SinkMetrics()
        self._reader = reader
        self._wakeup = wakeup
        self._news = news = SinkNews(sink, on_problem)
        self._handover = handover_to(sink)
        self._connector = Connector(
            sink, self._handover, reader, log=log, service=service, metrics=self.metrics, news=news, halt=self._halt
        )
        self._prefetcher = Prefetcher(reader, name=sink.name, source=source, limit=sink.batch_size, wants=wants)
        self._in_flight = InFlight()
        self._retries = RetryQueue(service.backoff)
        self._settlement = BatchSettlement(
            self._in_flight, self._retries, self.metrics, news, max_attempts=max_attempts
        )
        self._precedence = precedence or Precedence()
        self._cursor = CursorSaver(reader, self._in_flight, self._prefetcher, on_dead_letters=on_dead_letters)

    def abandon(self) -> bool:
        return self.sink.abandon()

    def lag(self) -> tuple[int, float]:
        """How far the sink is behind: in events (an upper bound, rolled back ones count too) and in seconds."""
        if self.metrics.idle_since is not None or self.metrics.state == STANDBY:
            return 0, 0.0
        oldest = self._in_flight.oldest_detected_at()
        return self._reader.unread_ids + len(self._in_flight), 0.0 if oldest is None else max(0.0, time.time() - oldest)

    def _prepare(self) -> None:
        """Reach the sink already before the first epoch: a standby that could not deliver says so now."""
        self._connector.reach_sink(is_enough=lambda: self._epochs.is_on)

    def _serve(self, epoch: Epoch) -> None:
        """Deliver as long as the epoch lasts."""
        self.sink.epoch, self._reader.epoch = epoch, epoch.number
        try:
            while not self._halt.is_set():
                try:
                    if not self._connector.reach_both():
                        continue
                    if self._rename_log_if_set_back():
                        epoch.end()
                        return
                    self._work()
                except ServiceUnavailable as error:  # PostgreSQL: that the sink is away never gets here
                    self._forget_what_is_read()
                    self._connector.log_lost(error)
        except LeadershipLost as lost:
            epoch.end(lost.surpassed_by)
        finally:
            if not self._stopping.is_set():
                self.metrics.reconnects += self._reader.is_open
                self.metrics.note_standby()
                self._connector.rest()
            self._forget_what_is_read()

    def _rename_log_if_set_back(self) -> bool:
        """Give the log another name where more of it is known than it has given; whether it has another one by now.

        It was set back where its database was restored from a copy, or its server has lost the last commits.
        """
        log, known = self._reader.log_id, max(self._reader.highest_read, self.sink.newest_sequence(self._reader.log_id))
        now_called, reached = self._reader.reached()
        if now_called == log and reached < known:
            self._news.log_was_set_back(log, known, reached, self._reader.jump_ahead(above=known))
            return True
        return now_called != log

    def _work(self) -> None:
        """Read, deliver, settle and save, until it halts."""
        while not self._halt.is_set():
            started = time.monotonic()
            self._news.tell_untold()
            due = self._retries.take_due(started, self.sink.batch_size)
            if due or self._handover.is_under_way or self._handover.has_to_start:
                self._deliver(due)
            if self._retries.is_full or not self._handover.wants_more:
                self._save_when_due()
                self._wait_for_room(started)
                continue
            if self.sink.goes_first:
                self._precedence.begin()
            read = self._prefetcher.take()
            self._in_flight.add(read.chunk.cursor, read.detected_at, read_at=read.arrived_at)
            if not read.chunk.rows:
                self._save_when_due()
                if not self._in_flight:
                    self.metrics.note_idle()
                self._let_others_go()
                self._wait_for_more(read.began_at, started)
                continue
            self._wakeup.active()
            self.metrics.note_work()
            self.metrics.detection.observe_all(read.detection_seconds)
            self._settlement.settle_unsent(read)
            if read.is_full and not self.sink.goes_first:
                self._precedence.wait()
            self._deliver(self._retries.queue_up(read.events))
            self._save_when_due()
            if not read.is_full:
                self._let_others_go()
                self._pace(read.began_at)
        # Not at the end of an epoch: the connection may be as dead as the leader's. Repeating is better than waiting.
        if self._stopping.is_set():
            self._settle(self._handover.finish(_FINISH_SECONDS))
            self._cursor.save_now()

    def _let_others_go(self) -> None:
        if self.sink.goes_first and not self._handover.is_under_way:
            self._precedence.end()

    def _deliver(self, events: Sequence[Event]) -> None:
        """Deliver, and settle what the sink has answered so far; what it has not answered stays in flight."""
        self._settle(self._connector.deliver(events))

    def _settle(self, answers: Sequence[SinkAnswer]) -> None:
        for answer in answers:
            self._settlement.settle_sent(answer)

    def _longest_wait(self, now: float) -> float:
        """How long nothing need be done: until the next retry, or until there may be an answer."""
        answer_seconds = self.sink.poll_interval_seconds if self._handover.is_under_way else float("inf")
        return min(self._retries.seconds_to_next(now), answer_seconds)

    def _wait_for_room(self, now: float) -> None:
        if not self._retries.is_full:
            self._handover.wait_for_room(self._longest_wait(now))
        elif self._handover.is_under_way:
            self._handover.wait_for_answer(self._longest_wait(now))
        else:
            self._halt.wait(self._longest_wait(now))

    def _save_when_due(self) -> None:
        """Save the cursor now and then. Only then has the log answered: what is read again and again is no progress."""
        if self._cursor.save_when_due() or not self._handover.is_under_way:
            self._connector.log_answered()

    def _wait_for_more(self, began_at: float, now: float) -> None:
        """After a read that found nothing: awake, the server looks for more; asleep, a trigger tells."""
        interval_seconds, longest_seconds = self.sink.poll_interval_seconds, self._longest_wait(now)
        if self._handover.is_under_way and self._handover.answers_in_order:  # what came now would be behind it anyway
            self._handover.wait_for_answer(min(SAVE_INTERVAL_SECONDS, self._retries.seconds_to_next(now)))
        elif self._wakeup.is_awake and interval_seconds:
            self._reader.wait(
                step_seconds=interval_seconds / 2, longest_seconds=min(SAVE_INTERVAL_SECONDS, longest_seconds)
            )
        else:
            self._wakeup.wait(began_at, interval_seconds, longest_seconds=longest_seconds)

    def _pace(self, began_at: float) -> None:
        """Let a poll interval pass between reads: a lone event goes at once, a stream goes in batches."""
        remaining = began_at + self.sink.poll_interval_seconds - time.monotonic()
        if remaining > _SHORT_SECONDS:
            self._halt.wait(remaining)
        elif remaining > 0:
            time.sleep(remaining)

    def _forget_what_is_read(self) -> None:
        self._prefetcher.drop()
        self._handover.drop()
        self._reader.close()
        self._in_flight.clear()
        self._retries.clear()
        self._cursor.forget()

    def _finish(self) -> None:
        self._news.tell_untold(at_once=True)
        self._prefetcher.close()
        self._reader.close()
        self.sink.close()

    def _fail(self, error: RtpError) -> None:
        super()._fail(error)
        self.metrics.note_trouble("stopped", str(error))
