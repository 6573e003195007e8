"""Copies of dead letters for the SQS dead letter queues, so that the alarms people have on those ring.

A loop of its own, with a connection of its own for as long as there is something to send: no delivery waits for it.
A letter is marked as queued after SQS has its copy. A crash between the two sends it again, under the same
deduplication id.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from core.errors import RtpError, ServiceUnavailable, SinkUnavailable
from core.leading.loop import Loop
from core.letters.letter_copy import send_copy
from core.letters.table import mark_queued, read_unqueued, sinks_with_unqueued
from core.log.installation import read_installation
from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from core.leading.epoch import Epoch, Epochs
    from core.letters.letter import Letter
    from core.services.circuit import CircuitBreaker
    from core.services.dead_letter_queue import DeadLetterQueue
    from core.services.postgres import DatabaseServer
    from rtp_client.backoff import Backoff

    FindQueue = Callable[[], DeadLetterQueue | None]


class DlqCopier(Loop):
    """Sends what is not sent when this rtp begins to lead, when woken, and again after a failure.

    `find_queues` has, for each sink with a queue behind it, how to find that queue's dead letter queue.
    """

    def __init__(
        self,
        server: DatabaseServer,
        find_queues: Mapping[str, FindQueue],
        backoff: Backoff,
        epochs: Epochs,
        *,
        log_circuit: CircuitBreaker,
        sqs_circuit: CircuitBreaker | None,
        on_problem: Callable[[Problem], None],
    ) -> None:
        super().__init__("dlq_copier", epochs)
        self.copied = 0
        self.idle_since: float | None = None if find_queues else time.monotonic()
        self._server = server
        self._find_queues = find_queues
        self._backoff = backoff
        self._log_circuit = log_circuit
        self._sqs_circuit = sqs_circuit
        self._on_problem = on_problem
        self._queues: dict[str, DeadLetterQueue] = {}
        self._named: set[str] = set()
        self._wake = threading.Event()

    @property
    def is_running(self) -> bool:
        """Whether the loop is alive, where there has to be one."""
        return super().is_running or not self._find_queues

    def start(self) -> None:
        """Start the loop, where there is a queue to send to."""
        if self._find_queues:
            super().start()

    def wake(self) -> None:
        """There is a new letter."""
        if self._find_queues:
            self.idle_since = None
            self._wake.set()

    def request_stop(self) -> None:
        """Ask the loop to end after the letter in hand."""
        super().request_stop()
        self._wake.set()

    def _serve(self, epoch: Epoch) -> None:
        self._wake.set()  # the leader before may have left some
        epoch.halt_at_end(self._wake)
        failures = 0
        while not self._halt.is_set():
            if failures:
                self._halt.wait(self._backoff.wait_seconds(failures))
            else:
                self._wake.wait()
            self._wake.clear()
            if not self._log_circuit.wait_for_turn(self._halt):
                return
            failures = 0 if self._try_all() else failures + 1
            if not self._wake.is_set():
                self.idle_since = time.monotonic()

    def _try_all(self) -> bool:
        """Whether nothing is left to send. Breakers name an outage, the sinks a missing schema."""
        try:
            with closing(self._server.connect(self.name)) as connection:
                is_done = self._send_all(connection)
        except psycopg.Error as error:
            self._log_circuit.failed(self._server.unavailable(error))
            return False
        except ServiceUnavailable as error:
            self._log_circuit.failed(error)
            return False
        except RtpError:
            return False
        self._log_circuit.succeeded()
        if is_done:
            self._named.clear()
        return is_done

    def _send_all(self, connection: psycopg.Connection) -> bool:
        log_id, is_done = read_installation(connection), True
        sinks = []
        for sink in sinks_with_unqueued(connection, self._find_queues):
            is_done = self._call(partial(self._find, sink)) and is_done
            if sink in self._queues:
                sinks.append(sink)
        letter: Letter | None = None
        while sinks and not self._halt.is_set() and (found := read_unqueued(connection, sinks, letter)):
            for letter, event in found:
                # One that is refused does not keep the others.
                if self._call(partial(send_copy, self._queues[letter.sink], letter, event, log_id=log_id)):
                    mark_queued(connection, letter)
                    self.copied += 1
                else:
                    is_done = False
        return is_done

    def _find(self, sink: str) -> None:
        if sink not in self._queues and (found := self._find_queues[sink]()) is not None:
            self._queues[sink] = found

    def _call(self, call: Callable[[], None]) -> bool:
        """Ask SQS for something; false where it does not answer, or refuses. A refusal is told once."""
        circuit = self._sqs_circuit
        if circuit is None or not circuit.wait_for_turn(self._halt):
            return False
        try:
            call()
        except SinkUnavailable as error:
            if error.is_service_down:
                circuit.failed(error)
            else:
                circuit.succeeded()
                self._tell(f"dead letters wait to be queued: {str(error).rstrip('.')}. Trying again")
            return False
        circuit.succeeded()
        return True

    def _tell(self, problem: str) -> None:
        if problem not in self._named:
            self._named.add(problem)
            self._on_problem(Problem(problem, "letters", facts={"service": "SQS"}))
