"""Copies of dead letters for the SQS dead letter queues, so that the alarms people have on those ring.

A loop of its own, with a connection of its own for as long as there is something to send: no delivery waits for it.
A letter is marked as queued after SQS has its copy. A crash between the two sends it again, under the same
deduplication id.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg

from core.database import connect, queries, unavailable
from core.errors import RtpError, SinkUnavailable
from core.keys import partition_key
from core.processor.log import read_installation
from core.sinks.letter_copy import LetterCopy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from core.processor.circuit import CircuitBreaker
    from core.retry import Backoff
    from core.sinks.dead_letter_queue import DeadLetterQueue
    from core.term import Terms

    FindQueue = Callable[[], DeadLetterQueue | None]

_QUERIES = queries("core.sql", "dead_letters.sql")


class Forwarding:
    """Sends what is not sent when this rtp begins to lead, when woken, and again after a failure.

    `find_queues` has, for each sink with a queue behind it, how to find that queue's dead letter queue.
    """

    def __init__(
        self,
        dsn: str,
        find_queues: Mapping[str, FindQueue],
        backoff: Backoff,
        terms: Terms,
        *,
        timeout_seconds: float,
        circuit: CircuitBreaker | None,
        on_problem: Callable[[str], None],
    ) -> None:
        self.forwarded = 0
        self.idle_since: float | None = None if find_queues else time.monotonic()
        self._dsn = dsn
        self._find_queues = find_queues
        self._backoff = backoff
        self._timeout_seconds = timeout_seconds
        self._circuit = circuit
        self._on_problem = on_problem
        self._queues: dict[str, DeadLetterQueue] = {}
        self._named: set[str] = set()
        self._terms = terms
        self._stopping = threading.Event()
        self._halt = threading.Event()  # at the end of a term, and when stopping
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtp-letters", daemon=True)

    def start(self) -> None:
        """Start the loop, where there is a queue to send to."""
        if self._find_queues:
            self._thread.start()

    def wake(self) -> None:
        """There is a new letter."""
        if self._find_queues:
            self.idle_since = None
            self._wake.set()

    def request_stop(self) -> None:
        """Ask the loop to end after the letter in hand."""
        self._stopping.set()
        self._halt.set()
        self._wake.set()
        self._terms.wake()

    def join(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the loop to end; false where it has not by then."""
        if self._thread.ident is None:
            return True
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (term := self._terms.next(self._stopping, self._halt)) is not None:
            self._wake.set()  # the leader before may have left some
            term.halt_at_end(self._wake)
            self._serve()

    def _serve(self) -> None:
        failures = 0
        while not self._halt.is_set():
            self._wake.wait(self._backoff.wait_seconds(failures) if failures else None)
            self._wake.clear()
            if self._halt.is_set():
                return
            failures = 0 if self._try_all() else failures + 1
            if not self._wake.is_set():
                self.idle_since = time.monotonic()

    def _try_all(self) -> bool:
        try:
            with closing(connect(self._dsn, role="letters", timeout_seconds=self._timeout_seconds)) as connection:
                problems = self._send_all(connection)
        except psycopg.Error as error:
            problems = [str(unavailable(self._dsn, error))]
        except RtpError as error:
            problems = [str(error)]
        for problem in dict.fromkeys(problems):
            self._tell(f"dead letters wait to be queued: {problem}. Trying again")
        if not problems:
            self._named.clear()
        return not problems

    def _send_all(self, connection: psycopg.Connection) -> list[str]:
        log_id, after_id, problems = read_installation(connection), 0, list[str]()
        sinks = self._reachable_sinks(problems)
        while sinks and not self._halt.is_set():
            values = {"sinks": sinks, "after_id": after_id}
            rows = connection.execute(_QUERIES["unqueued"], values).fetchall()
            for row in rows:
                if self._circuit is not None and not self._circuit.wait_for_turn(self._halt):
                    return problems
                self._send(connection, row, log_id, problems)
                after_id = row[0]
            if not rows:
                break
        return problems

    def _send(self, connection: psycopg.Connection, row: tuple[Any, ...], log_id: str, problems: list[str]) -> None:
        """Send one copy. One that is refused does not keep the others."""
        try:
            self._queues[row[1]].send(_copy(log_id, *row))
        except SinkUnavailable as error:
            self._note(error, problems)
        else:
            self._succeeded()
            connection.execute(_QUERIES["mark_queued"], {"id": row[0]})
            self.forwarded += 1

    def _reachable_sinks(self, problems: list[str]) -> list[str]:
        for sink, find in self._find_queues.items():
            if sink in self._queues or (self._circuit is not None and not self._circuit.wait_for_turn(self._halt)):
                continue
            try:
                found = find()
            except SinkUnavailable as error:
                self._note(error, problems)
                continue
            self._succeeded()
            if found is not None:
                self._queues[sink] = found
        return list(self._queues)

    def _note(self, error: SinkUnavailable, problems: list[str]) -> None:
        problems.append(str(error))
        if self._circuit is not None:
            if error.is_service_down:
                self._circuit.failed(error)
            else:
                self._circuit.succeeded()

    def _succeeded(self) -> None:
        if self._circuit is not None:
            self._circuit.succeeded()

    def _tell(self, problem: str) -> None:
        if problem not in self._named:
            self._named.add(problem)
            self._on_problem(problem)


def _copy(
    log_id: str, letter_id: int, sink: str, sequence: int, event: dict[str, Any], error: str, attempts: int, *times: Any
) -> LetterCopy:
    is_event = "specversion" in event  # else it is the row, as the log has it
    return LetterCopy(
        mark=f"{log_id}/{letter_id}",
        group=event["partitionkey"] if is_event else partition_key(event["chain"], event["entity"]),
        sink=sink,
        event_id=event["id"] if is_event else f"{log_id}-{event['xid']}-{sequence}",
        event=event,
        error=error,
        attempts=attempts,
        first_attempt_at=times[0],
        last_attempt_at=times[1],
    )
