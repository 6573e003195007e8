"""How long before their arrival events were committed, by PostgreSQL's own note of each transaction."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psycopg

from core.errors import ServiceUnavailable
from core.services.postgres import connect, queries

if TYPE_CHECKING:
    from loadtests.scenarios.processes.tick import Recorder

LOOK_SECONDS = 1.0  # the log forgets: a look at the end of a long run would come too late
_QUERIES = queries("loadtests.scenarios", "writes.sql")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event: its sequence, the second of the schedule it belongs to, and moments on the database's clock."""

    sequence: int
    second: int
    received_at: float
    detected_at: float


class CommitTimes:
    """Runs inside of `with`, on a thread and a connection of its own. Does nothing where the server takes no note."""

    def __init__(self, dsn: str, stage: str, recorder: Recorder) -> None:
        self._dsn, self._stage, self._recorder = dsn, stage, recorder
        self._arrived: deque[Arrival] = deque()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._connection = connect(dsn, role="loadtest commit times")
        self._is_noted = self._connection.execute(_QUERIES["tracks_commits"]).fetchone() == (True,)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """The last look is at what came last."""
        self._ending.set()
        self._thread.join()
        self._connection.close()

    def note(self, arrival: Arrival) -> None:
        if self._is_noted:
            self._arrived.append(arrival)

    def _run(self) -> None:
        while not self._ending.wait(LOOK_SECONDS):
            self._look()
        self._look()

    def _look(self) -> None:
        arrivals = [self._arrived.popleft() for _ in range(len(self._arrived))]
        if not arrivals:
            return
        try:
            if self._connection.closed:
                self._connection = connect(self._dsn, role="loadtest commit times")
            ids = ",".join(str(arrival.sequence) for arrival in arrivals)  # psycopg turns a list into text in Python
            committed_at: dict[int, float | None] = dict(
                self._connection.execute(_QUERIES["commit_times"], {"ids": f"{{{ids}}}"}, prepare=True)
            )
        except (psycopg.Error, ServiceUnavailable):
            self._arrived.extend(arrivals)  # until the next look
            return
        for arrival in arrivals:
            if (moment := committed_at.get(arrival.sequence)) is not None:
                self._record(arrival, moment)

    def _record(self, arrival: Arrival, committed_at: float) -> None:
        latencies_ms = {
            f"{self._stage} from commit": (arrival.received_at - committed_at) * 1000,
            f"{self._stage} trigger to commit": (committed_at - arrival.detected_at) * 1000,
        }
        self._recorder.latencies(arrival.second, latencies_ms)
