"""How long before their arrival events and writes were committed, by PostgreSQL's own note of each transaction."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psycopg

from core.errors import ServiceUnavailable
from core.services.postgres import connect, queries
from core.settings.models import postgres_dsn
from loadtests.scenarios.scenario import find_scenario

if TYPE_CHECKING:
    from loadtests.scenarios.processes.child import ProcessPlan
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

    def __init__(self, plan: ProcessPlan, stage: str, recorder: Recorder) -> None:
        self._dsn, self._stage, self._recorder = postgres_dsn(plan.settings), stage, recorder
        self._shape = find_scenario(plan.scenario).shape
        self._arrived: deque[Arrival] = deque()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._connection = connect(self._dsn, role="loadtest commit times")
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
            query = _QUERIES[f"commits_{self._shape}"]
            ids = ",".join(str(arrival.sequence) for arrival in arrivals)  # psycopg turns a list into text in Python
            found = self._connection.execute(query, {"ids": f"{{{ids}}}"}, prepare=True)
            commits: dict[int, tuple[float | None, float | None]] = {row[0]: row[1:] for row in found}
        except (psycopg.Error, ServiceUnavailable):
            self._arrived.extend(arrivals)  # until the next look
            return
        for arrival in arrivals:
            event_at, written_at = commits.get(arrival.sequence, (None, None))
            if event_at is not None and written_at is not None:
                self._record(arrival, event_at, written_at)

    def _record(self, arrival: Arrival, event_at: float, written_at: float) -> None:
        seconds = {"from commit": arrival.received_at - written_at}
        if self._shape == "history":  # rtp run judges it, after its commit
            seconds["commit to judge"] = arrival.detected_at - written_at
            seconds["judge to commit"] = event_at - arrival.detected_at
        else:
            seconds["trigger to commit"] = event_at - arrival.detected_at
        latencies_ms = {f"{self._stage} {part}": took * 1000 for part, took in seconds.items()}
        self._recorder.latencies(arrival.second, latencies_ms)
