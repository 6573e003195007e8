"""One sink's loop: read a chunk of the log, deliver it, move the cursor. Each sink has its own, in its own thread.

Retrying lives here, around the sinks, not inside them: the error's type decides. SinkUnavailable and
undelivered events are tried again with backoff while the cursor waits; rejected events become dead letters.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING

from core.database import one_line
from core.errors import EventRejected, RtpError, ServiceUnavailable, SinkUnavailable
from core.processor.log import Chunk, DeadLetter, LogReader, LogRow, build_event
from core.processor.metrics import SinkMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.event import Event
    from core.processor.circuit import CircuitBreaker
    from core.processor.wakeup import WakeUp
    from core.retry import Backoff
    from core.sinks import Outcome, Sink

# A crash repeats what was delivered since the cursor was last written: at most this much. Writing it after every
# batch would cost as much as the batch, and leave a dead row version each time.
SAVE_INTERVAL_SECONDS = 0.05


class Delivery:
    """Drives one sink until told to stop. `on_event` is shown what was delivered, for a live view."""

    def __init__(
        self,
        sink: Sink,
        reader: LogReader,
        wakeup: WakeUp,
        backoff: Backoff,
        *,
        source: str,
        log_circuit: CircuitBreaker,
        sink_circuit: CircuitBreaker,
    ) -> None:
        self.sink = sink
        self.metrics = SinkMetrics()
        self.failure: RtpError | None = None
        self._reader = reader
        self._wakeup = wakeup
        self._backoff = backoff
        self._source = source
        self._log_circuit = log_circuit
        self._sink_circuit = sink_circuit
        self._stopping = threading.Event()
        self._saved_at = 0.0
        self._log_failures = 0
        self._oldest_waiting: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"rtp-{sink.name}", daemon=True)

    def start(self) -> None:
        """Start the loop."""
        self._thread.start()

    def request_stop(self) -> None:
        """Ask the loop to end after the batch in hand."""
        self._stopping.set()

    def join(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the loop to end; false where it has not by then."""
        if self._thread.ident is None:  # stopped before it was started
            return True
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    @property
    def is_running(self) -> bool:
        """Whether the loop is alive."""
        return self._thread.is_alive()

    def lag(self) -> tuple[int, float]:
        """How far the sink is behind: in events (an upper bound, rolled back ones count too) and in seconds."""
        oldest = self._oldest_waiting
        if self.metrics.idle_since is not None or oldest is None:
            return 0, 0.0
        return max(0, self._reader.newest_id - self._reader.delivered_id), max(0.0, time.time() - oldest)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    if self._connect():
                        self._loop()
                except ServiceUnavailable as error:
                    # Only PostgreSQL's own unavailability gets here: the sink's is handled where it delivers.
                    self._lost_the_log(error)
        except RtpError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a loop that ends without a word would go unnoticed
            failure = RtpError(
                f"a defect in rtp ended it: {type(error).__name__}: {one_line(error)}", "Please report it"
            )
            failure.__cause__ = error
            self._fail(failure)
        finally:
            self._reader.close()
            self.sink.close()

    def _connect(self) -> bool:
        """Reach the log and the sink, each tried whether or not the other answers; false where rtp is stopping."""
        attempt = 0
        missing = [(self._reader.open, self._log_circuit), (self.sink.open, self._sink_circuit)]
        while missing and not self._stopping.is_set():
            attempt += 1
            missing = [(call, circuit) for call, circuit in missing if not self._works(call, circuit)]
            if missing:
                self._wait_before_retry(attempt)
        return not missing

    def _works(self, call: Callable[[], None], circuit: CircuitBreaker) -> bool:
        if not circuit.wait_for_turn(self._stopping):
            return False
        try:
            call()
        except ServiceUnavailable as error:
            circuit.failed(error)
            self.metrics.note_retry(str(error))
            return False
        if circuit is not self._log_circuit or not self._log_failures:  # else only the next read will tell
            circuit.succeeded()
        return True

    def _loop(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            chunk = self._reader.read(self.sink.batch_size)
            self._note_log_works()
            if chunk.rows:
                self.metrics.note_work()
                self._wakeup.active()
                self._handle(chunk)
                if len(chunk.rows) < self.sink.batch_size:
                    self._pace(started)
            else:
                self._advance(chunk, (), save=started - self._saved_at > SAVE_INTERVAL_SECONDS)
                self.metrics.note_idle()
                self._wakeup.wait(started, self.sink.poll_interval_seconds)
        self._save_position()

    def _pace(self, started: float) -> None:
        """Let a poll interval pass between reads: a lone event goes at once, a stream goes in batches."""
        remaining = started + self.sink.poll_interval_seconds - time.monotonic()
        if remaining > 0:
            self._stopping.wait(remaining)

    def _handle(self, chunk: Chunk) -> None:
        arrived = time.time()
        self._oldest_waiting = chunk.rows[0].detected_at.timestamp()
        events, letters = self._build(chunk.rows)
        if not self._deliver_all(events, letters):
            return
        delivered = time.time()
        for row in chunk.rows:
            detected = row.detected_at.timestamp()
            self.metrics.detection.observe(arrived - detected)
            self.metrics.delivery.observe(delivered - detected)
        self.metrics.delivered += len(chunk.rows) - len(letters)
        self.metrics.dead_letters += len(letters)
        self.metrics.batches += 1
        self._advance(chunk, letters, save=time.monotonic() - self._saved_at > SAVE_INTERVAL_SECONDS)

    def _build(self, rows: Sequence[LogRow]) -> tuple[list[Event], list[DeadLetter]]:
        events: list[Event] = []
        letters: list[DeadLetter] = []
        for row in rows:
            try:
                events.append(build_event(row, source=self._source, log_id=self._reader.log_id))
            except EventRejected as error:
                document = json.dumps(
                    {name: value if value is None else str(value) for name, value in row._asdict().items()}
                )
                letters.append(DeadLetter(row.id, document, str(error), attempts=0))
        return events, letters

    def _deliver_all(self, events: Sequence[Event], letters: list[DeadLetter]) -> bool:
        """Deliver until all is in or rejected; false where rtp is stopping before that."""
        attempt = 0
        while events:
            if not self._sink_circuit.wait_for_turn(self._stopping):
                return False
            attempt += 1
            try:
                outcome = self.sink.deliver(events)
            except ServiceUnavailable as error:
                self._sink_circuit.failed(error)
                self.metrics.note_retry(str(error))
                self._wait_before_retry(attempt)
                continue
            letters.extend(_dead_letters(outcome, attempt))
            if not outcome.undelivered:
                break
            cause = SinkUnavailable(self.sink.service, self.sink.address, outcome.cause)
            if len(outcome.undelivered) < len(events):
                attempt = 1
            else:
                self._sink_circuit.failed(cause)
            events = outcome.undelivered
            self.metrics.note_retry(str(cause))
            self._wait_before_retry(attempt)
        self._sink_circuit.succeeded()
        self._note_running()
        return True

    def _wait_before_retry(self, attempt: int) -> None:
        if self._reader.is_open:
            with contextlib.suppress(ServiceUnavailable):  # only for the status: the next read will say so, and loudly
                self._reader.look_ahead()
        self._stopping.wait(self._backoff.wait_seconds(attempt))

    def _lost_the_log(self, error: ServiceUnavailable) -> None:
        self._reader.close()
        self._log_failures += 1
        self.metrics.reconnects += 1
        self.metrics.note_trouble("reconnecting", str(error))
        if self._log_failures > 1:  # a lost connection says nothing yet about the server: connecting anew will
            self._log_circuit.failed(error)
            self._stopping.wait(self._backoff.wait_seconds(self._log_failures))

    def _fail(self, error: RtpError) -> None:
        self.failure = error
        self.metrics.note_trouble("stopped", str(error))

    def _note_log_works(self) -> None:
        self._log_failures = 0
        self._log_circuit.succeeded()
        self._note_running()

    def _note_running(self) -> None:
        self.metrics.state, self.metrics.last_error = "running", ""

    def _advance(self, chunk: Chunk, letters: Sequence[DeadLetter], *, save: bool) -> None:
        self._reader.advance(chunk, letters, save=save)
        if save:
            self._saved_at = time.monotonic()

    def _save_position(self) -> None:
        try:
            self._reader.save()
        except ServiceUnavailable as error:
            self._lost_the_log(error)


def _dead_letters(outcome: Outcome, attempts: int) -> list[DeadLetter]:
    return [DeadLetter(int(r.event.sequence), r.event.json_bytes.decode(), r.error, attempts) for r in outcome.rejected]
