"""Copies of dead letters for the SQS dead letter queues, so that the alarms people have on those ring.

A loop of its own, with a connection of its own for as long as there is something to send: no delivery waits for it.
A letter is marked as queued after SQS has its copy. A crash between the two sends it again, under the same
deduplication id.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import NotInstalled, RtpError, ServiceUnavailable, SinkUnavailable
from core.leading.loop import Loop
from core.letters.letter_copy import send_copy
from core.letters.table import mark_queued, read_unqueued, sinks_with_unqueued
from core.log.installation import read_installation
from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import psycopg

    from core.leading.epoch import Epoch, Epochs
    from core.letters.letter import Letter
    from core.services.dead_letter_queue import DeadLetterQueue
    from core.services.postgres import DatabaseServer
    from core.services.recovery import Recovery


@dataclass
class QueueBehind:
    """The dead letter queue behind a sink: how to find it, whose service it is of, and the queue once it is found."""

    find: Callable[[], DeadLetterQueue | None]
    service: Recovery
    found: DeadLetterQueue | None = None


class DlqCopier(Loop):
    """Sends what is not sent when this rtp begins to lead, when woken, and again after a failure.

    `queues` has the sinks that can have a dead letter queue behind them.
    """

    def __init__(
        self,
        server: DatabaseServer,
        queues: Mapping[str, QueueBehind],
        epochs: Epochs,
        *,
        log: Recovery,
        on_problem: Callable[[Problem], None],
    ) -> None:
        super().__init__("dlq_copier", epochs)
        self.copied = 0
        self.idle_since: float | None = None if queues else time.monotonic()
        self._server = server
        self._queues = queues
        self._log = log
        self._on_problem = on_problem
        self._named: set[str] = set()
        self._wake = threading.Event()

    @property
    def is_running(self) -> bool:
        """Whether the loop is alive, where there has to be one."""
        return super().is_running or not self._queues

    def start(self) -> None:
        """Start the loop, where there is a queue to send to."""
        if self._queues:
            super().start()

    def wake(self) -> None:
        """There is a new letter."""
        if self._queues:
            self.idle_since = None
            self._wake.set()

    def request_stop(self) -> None:
        """Ask the loop to end after the letter in hand."""
        super().request_stop()
        self._wake.set()

    def _serve(self, epoch: Epoch) -> None:
        self._wake.set()  # the leader before may have left some
        epoch.halt_at_end(self._wake)
        self._copy()
        for recovery in (self._log, *(queue.service for queue in self._queues.values())):
            recovery.rest()

    def _copy(self) -> None:
        is_done = True
        while not self._halt.is_set():
            if is_done:
                self._wake.wait()
            self._wake.clear()
            if not self._log.wait_for_turn(self._halt):
                return
            is_done = self._try_all()
            if not self._wake.is_set():
                self.idle_since = time.monotonic()
            if not is_done:
                self._log.pause(self._halt)

    def _try_all(self) -> bool:
        """Send what waits; false where some of it is left.

        Circuit breakers report an outage; the sinks' loops report a missing schema.
        """
        is_done = False
        try:
            with self._server.translated(), closing(self._server.connect(self.name)) as connection:
                is_done = self._send_all(connection)
        except ServiceUnavailable as error:
            self._log.failed(error)
            return False
        except RtpError as error:
            if not isinstance(error, NotInstalled):
                self._tell(f"dead letters wait to be queued: {str(error).rstrip('.')}. Trying again")
        if is_done:
            self._log.succeeded()
            self._named.clear()
        else:
            self._log.refused()  # PostgreSQL has answered; this loop alone has to try again
        return is_done

    def _send_all(self, connection: psycopg.Connection) -> bool:
        log_id, is_done = read_installation(connection), True
        sinks = []
        for sink in sinks_with_unqueued(connection, self._queues):
            is_done = self._call(sink, partial(self._find, sink)) and is_done
            if self._queues[sink].found is not None:
                sinks.append(sink)
        letter: Letter | None = None
        while sinks and not self._halt.is_set() and (read := read_unqueued(connection, sinks, letter)):
            for letter, event in read:
                # One that is refused does not keep the others.
                if self._call(letter.sink, partial(self._send, letter, event, log_id)):
                    mark_queued(connection, letter)
                    self.copied += 1
                else:
                    is_done = False
        return is_done

    def _find(self, sink: str) -> None:
        behind = self._queues[sink]
        behind.found = behind.found or behind.find()

    def _send(self, letter: Letter, event: dict[str, Any], log_id: str) -> None:
        queue = self._queues[letter.sink].found
        assert queue is not None  # else the letter was not read
        send_copy(queue, letter, event, log_id=log_id)

    def _call(self, sink: str, call: Callable[[], None]) -> bool:
        """Ask a queue's service for something; false where it does not answer, or refuses. A refusal is told once."""
        service = self._queues[sink].service
        if not service.wait_for_turn(self._halt):
            return False
        try:
            call()
        except SinkUnavailable as error:
            service.failed(error)
            if not error.is_service_down:
                text = f"dead letters wait to be queued: {str(error).rstrip('.')}. Trying again"
                self._tell(text, service=service.circuit.service)
            return False
        service.succeeded()
        return True

    def _tell(self, problem: str, **facts: str) -> None:
        if problem not in self._named:
            self._named.add(problem)
            self._on_problem(Problem(problem, "letters", facts=facts))
