"""How a sink's loop reaches the two services it works between, the log and the sink, and comes back to each."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from core.errors import ServiceUnavailable, SinkUnavailable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from core.log.reader import LogReader
    from core.processor.metrics import SinkMetrics
    from core.processor.news import SinkNews
    from core.services.recovery import Recovery
    from core.sinks import Sink
    from core.sinks.handover import Handover, SinkAnswer
    from rtp_client.event import Event

# While nothing is done but waiting for the first answer after an outage.
_HALT_POLL_SECONDS = 0.05


class Connector:
    """Tries as long as it takes, or until `halt` is set."""

    def __init__(
        self,
        sink: Sink,
        handover: Handover,
        reader: LogReader,
        *,
        log: Recovery,
        service: Recovery,
        metrics: SinkMetrics,
        news: SinkNews,
        halt: threading.Event,
    ) -> None:
        self._sink = sink
        self._handover = handover
        self._reader = reader
        self._log = log
        self._service = service
        self._metrics = metrics
        self._news = news
        self._halt = halt

    def reach_sink(self, *, is_enough: Callable[[], bool]) -> None:
        """Try to reach the sink until that works, or the tries are enough."""
        while not self._halt.is_set() and not self._try(self._sink.open, self._service) and not is_enough():
            self._service.pause(self._halt)

    def reach_both(self) -> bool:
        """Reach the log and the sink, each tried whether or not the other answers; false where it must halt."""
        missing = [(self._reader.open, self._log), (self._sink.open, self._service)]
        while missing and not self._halt.is_set():
            missing = [(call, recovery) for call, recovery in missing if not self._try(call, recovery)]
            for _, recovery in missing:
                self._pause(recovery)
        return not missing

    def _try(self, call: Callable[[], None], recovery: Recovery) -> bool:
        if not recovery.wait_for_turn(self._halt):
            return False
        try:
            call()
        except ServiceUnavailable as error:
            self._note_failure(recovery, error)
            return False
        recovery.connected()
        return True

    def deliver(self, events: Sequence[Event]) -> Sequence[SinkAnswer]:
        """Hand events to the sink, and return what it has answered, to earlier ones, too.

        While the sink is away, that takes until it has answered again; there is no answer where it must halt before.
        """
        self._handover.add(events)
        is_away = False
        while not self._handover.has_to_start or self._service.wait_for_turn(self._halt):
            try:
                self._handover.start()
                answers = self._handover.take_answers()
            except ServiceUnavailable as error:
                is_away = True
                self._note_failure(self._service, error)
                self._pause(self._service)
                continue
            if answers:
                self._service.succeeded()
                self._news.taken()
                self._metrics.note_running()
            if answers or not is_away or self._halt.is_set():
                return answers
            self._handover.wait_for_answer(_HALT_POLL_SECONDS)
        return []

    def log_answered(self) -> None:
        """What the loop is there for works: to read the log, and to save how far it is delivered."""
        self._log.succeeded()
        self._metrics.note_running()

    def log_lost(self, error: ServiceUnavailable) -> None:
        """The connection to the log is gone, or PostgreSQL has refused a statement."""
        self._metrics.note_reconnect(str(error))
        self._log.failed(error)
        self._log.pause(self._halt)

    def rest(self) -> None:
        """There is nothing to reach until the next epoch."""
        self._log.rest()
        self._service.rest()

    def _note_failure(self, recovery: Recovery, error: ServiceUnavailable) -> None:
        if self._halt.is_set():  # nobody tries again, and the sink may have been abandoned
            return
        self._metrics.note_retry(str(error))
        recovery.failed(error)
        if isinstance(error, SinkUnavailable) and not error.is_service_down:
            self._news.refused(error)

    def _pause(self, recovery: Recovery) -> None:
        if self._reader.is_open:
            # Only for the status: if the log does not answer either, the next read says so.
            with contextlib.suppress(ServiceUnavailable):
                self._reader.look_ahead()
        recovery.pause(self._halt)
