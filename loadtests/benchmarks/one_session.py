"""What a trigger costs in one session of the server, without a client's share: for overhead.py."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import psycopg

from loadtests.benchmarks.contestants import ENTITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadtests.benchmarks.write_patterns import WritePattern

STATEMENTS = 2000
SESSIONS = 20
ROWS_IN_A_TRANSACTION = 70
# Each figure's definition. Times are the server's, seen by one client that waits; commits are asynchronous.
FIGURES: Mapping[str, str] = {
    "row": f"µs per statement of one row with its commit: {STATEMENTS:,} in a loop inside the server",
    "first": f"µs that a session's first such statement takes: median of {SESSIONS} sessions",
    "subtransactions": f"ids that a transaction of {ROWS_IN_A_TRANSACTION} such statements takes besides its own",
}


def measure_session(dsn: str, pattern: WritePattern, table: str) -> dict[str, float]:
    """The figures of a pattern on a contestant's table."""

    def connected(measure: Callable[[psycopg.Connection], float]) -> float:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SET synchronous_commit TO off")
            return measure(connection)

    def row(connection: psycopg.Connection) -> float:
        return _microseconds(connection, rows_in_a_loop(pattern, table, STATEMENTS)) / STATEMENTS

    def first(connection: psycopg.Connection) -> float:
        return _microseconds(connection, pattern.one_row(table, "1"))

    def subtransactions(connection: psycopg.Connection) -> float:
        with connection.transaction():
            for key in range(ROWS_IN_A_TRANSACTION):
                connection.execute(pattern.one_row(table, str(key)).encode())
            (begun,) = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or (0,)
            with psycopg.connect(dsn, autocommit=True) as other:
                (ended,) = other.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or (0,)
        return float(ended - begun - 1)

    return {
        "row": connected(row),
        "first": statistics.median(connected(first) for _ in range(SESSIONS)),
        "subtransactions": connected(subtransactions),
    }


def rows_in_a_loop(pattern: WritePattern, table: str, times: int) -> str:
    """Statements of one row, each with its commit, in a loop inside the server."""
    one = pattern.one_row(table, f"(n * 7919 % {ENTITIES})")
    return f"DO $$ BEGIN FOR n IN 1..{times} LOOP {one}; COMMIT; END LOOP; END $$"


def _microseconds(connection: psycopg.Connection, statement: str) -> float:
    started = time.perf_counter()
    connection.execute(statement.encode())
    return (time.perf_counter() - started) * 1e6
