"""The clocks of a load test: this machine's, and how far the database's is ahead of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.services.postgres import queries

if TYPE_CHECKING:
    import psycopg

_CLOCK = queries("loadtests.scenarios", "writes.sql")["clock"]


def seconds_until(moment: float) -> float:
    """How long until a moment (Unix time); not below 0."""
    return max(0.0, moment - time.time())


def clock_ahead(connection: psycopg.Connection, looks: int = 20) -> float:
    """How many seconds the database's clock is ahead of this machine's: the estimate of the fastest of some answers."""
    estimates = []
    for _ in range(looks):
        asked = time.time()
        row = connection.execute(_CLOCK, prepare=True).fetchone()
        answered = time.time()
        assert row is not None
        estimates.append((answered - asked, row[0] - (asked + answered) / 2))
    round_trip, ahead = min(estimates)
    return 0.0 if abs(ahead) < round_trip else float(ahead)  # the same clock, as far as can be told
