"""Writers on connections of their own that move entities step by step, whatever happens to the database.

Where a commit's outcome is uncertain (the connection died while it was under way) nobody needs to know: the next step
counts on from what the row holds, and the checker reads the tables, which hold what was committed.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from core.errors import ServiceUnavailable
from core.services.postgres import connect, queries
from loadtests.faults.crew import Crew
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

QUERIES = queries("loadtests.faults", "tables.sql")
TVL, PRICES, PROTOCOLS = 120, 40, 40
PROBE = TVL  # one more row of tvl
WRITERS = 4
_RETRY_SECONDS = 0.05
_LONGEST_TRANSACTION_SECONDS = 2.0


class Pace:
    """How many steps may be written by now: a rate, a budget that grows, or both; none while `is_held_back`."""

    def __init__(self, rate: float, is_held_back: Callable[[], bool] = lambda: False) -> None:
        self.taken = 0
        self._is_held_back = is_held_back
        self._interval = 1 / rate
        self._budget: int | None = None
        self._next_at = time.monotonic()
        self._lock = threading.Lock()
        self._factor = 1.0

    @contextmanager
    def eased(self) -> Iterator[None]:
        """Only a tenth of the rate meanwhile: a backlog is to be worked off on a machine that may be busy otherwise."""
        self._factor = 10.0
        try:
            yield
        finally:
            self._factor = 1.0

    def allow(self, budget: int | None) -> None:
        self._budget = budget

    @property
    def has_budget(self) -> bool:
        return self._budget is not None

    @property
    def is_exhausted(self) -> bool:
        """Whether all that is allowed was taken."""
        return self._budget is not None and self.taken >= self._budget

    def take(self, steps: int, stopping: threading.Event) -> bool:
        """Wait for one's turn; false where the end comes first."""
        while not stopping.is_set():
            with self._lock:
                now = time.monotonic()
                is_free = not self.is_exhausted and not self._is_held_back()
                if is_free and now >= self._next_at:
                    self.taken += steps
                    # An outage is not made up for: what is measured after it is rtp's backlog, not the writers'.
                    self._next_at = max(now - 0.05, self._next_at) + steps * self._interval * self._factor
                    return True
                wait_seconds = self._next_at - now if is_free else 0.02
            stopping.wait(min(0.02, max(0.0005, wait_seconds)))
        return False


class Workload(Crew):
    """All writers. `acknowledged` counts the steps whose commit PostgreSQL has confirmed."""

    def __init__(self, dsn: str, pace: Pace, seed: int) -> None:
        super().__init__(
            [partial(self._run, number, random.Random(f"{seed}-writer-{number}")) for number in range(WRITERS)]
        )
        self.acknowledged = 0
        self.rolled_back = 0
        self.pace = pace
        self.failures: deque[str] = deque(maxlen=20)
        self._dsn = dsn
        self._lock = threading.Lock()

    def committed(self) -> dict[str, int]:
        """How many steps of every entity are committed. Raises ServiceUnavailable or psycopg.Error."""
        with connect(self._dsn, role="checker") as connection:
            return dict(connection.execute(QUERIES["committed"], [PRICES]).fetchall())

    def step_probe(self) -> None:
        """One step of an entity that no writer uses, for whoever wants to see it arrive. Raises as `committed` does."""
        with connect(self._dsn, role="checker") as connection:
            connection.execute(QUERIES["step_tvl"], [[f"p{PROBE}"]])

    def _run(self, number: int, rng: random.Random) -> None:
        while not self._stopping.is_set():
            try:
                with connect(self._dsn, role="writer") as connection:
                    while not self._stopping.is_set():
                        self._write(connection, number, rng)
            except (psycopg.Error, ServiceUnavailable) as error:
                self.failures.append(one_line(error))
                self._stopping.wait(_RETRY_SECONDS)

    def _write(self, connection: psycopg.Connection, number: int, rng: random.Random) -> None:
        if number == 0 and rng.random() < 0.2:
            self._write_long(connection, number, rng)
            return
        steps = _steps(number, rng)
        if not self.pace.take(sum(len(entities) for _, entities in steps), self._stopping):
            return
        self._commit(connection, steps, is_rolled_back=rng.random() < 0.08)

    def _write_long(self, connection: psycopg.Connection, number: int, rng: random.Random) -> None:
        steps = [("tvl", _own("p", TVL, number, rng, 3)), ("prices", _own("t", PRICES, number, rng, 2))]
        if self.pace.take(5, self._stopping):
            hold_seconds = rng.uniform(0.2, _LONGEST_TRANSACTION_SECONDS)
            self._commit(connection, steps, is_rolled_back=rng.random() < 0.3, hold_seconds=hold_seconds)

    def _commit(
        self,
        connection: psycopg.Connection,
        steps: Sequence[tuple[str, Sequence[str]]],
        *,
        is_rolled_back: bool,
        hold_seconds: float = 0,
    ) -> None:
        with connection.transaction(force_rollback=is_rolled_back):
            for table, entities in steps:
                connection.execute(QUERIES[f"step_{table}"], [list(entities)], prepare=True)
            self._stopping.wait(hold_seconds)
        count = sum(len(entities) for _, entities in steps)
        with self._lock:
            if is_rolled_back:
                self.rolled_back += count
            else:
                self.acknowledged += count


def _steps(number: int, rng: random.Random) -> list[tuple[str, list[str]]]:
    """One transaction: a row, several rows of a statement, an entity again and again, or several tables."""
    kind = rng.random()
    if kind < 0.45:
        return [("tvl", [f"p{rng.randrange(TVL)}"])]
    if kind < 0.6:
        return [("tvl", _own("p", TVL, number, rng, 8))]
    if kind < 0.7:
        again = [f"p{rng.randrange(TVL)}"]
        return [("tvl", again)] * 3
    if kind < 0.85:
        return [("prices", _own("t", PRICES, number, rng, 4))]
    if kind < 0.95:
        return [("protocols", [f"m{rng.randrange(PROTOCOLS)}"])]
    return [
        ("prices", _own("t", PRICES, number, rng, 1)),
        ("protocols", _own("m", PROTOCOLS, number, rng, 1)),
        ("tvl", _own("p", TVL, number, rng, 2)),
    ]


def _own(prefix: str, entities: int, number: int, rng: random.Random, count: int) -> list[str]:
    """Some of the entities that are this writer's own."""
    return [f"{prefix}{index}" for index in sorted(rng.sample(range(number, entities, WRITERS), count))]
