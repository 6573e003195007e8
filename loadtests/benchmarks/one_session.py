"""What a trigger costs in one session of the server, without a client's share: for overhead.py."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import psycopg

from loadtests.benchmarks.contestants import ENTITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

UPDATES = 2000
SESSIONS = 20
ROWS_IN_A_TRANSACTION = 70
# Each figure's definition. Times are the server's, seen by one client that waits; commits are asynchronous.
FIGURES: Mapping[str, str] = {
    "row": f"µs per single-row UPDATE with its commit: {UPDATES:,} in a loop inside the server",
    "first": f"µs that a session's first UPDATE takes: median of {SESSIONS} sessions",
    "subtransactions": f"ids that a transaction of {ROWS_IN_A_TRANSACTION} single-row UPDATEs takes besides its own",
}


def measure_session(dsn: str, table: str, factor: str) -> dict[str, float]:
    """The figures for updates of a table's `tvl_usd` to `factor`."""
    update = f"UPDATE {table} SET tvl_usd = {factor}, updated_at = now() WHERE chain = 'b' AND protocol = "  # noqa: S608

    def connected(measure: Callable[[psycopg.Connection], float]) -> float:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SET synchronous_commit TO off")
            return measure(connection)

    def row(connection: psycopg.Connection) -> float:
        block = (
            f"DO $$ DECLARE key text; BEGIN FOR n IN 1..{UPDATES} LOOP"
            f" key := 'p' || (n * 7919 % {ENTITIES}); {update} key; COMMIT; END LOOP; END $$"
        )
        return _microseconds(connection, block) / UPDATES

    def first(connection: psycopg.Connection) -> float:
        return _microseconds(connection, f"{update} 'p1'")

    def subtransactions(connection: psycopg.Connection) -> float:
        with connection.transaction():
            for key in range(ROWS_IN_A_TRANSACTION):
                connection.execute(f"{update} 'p{key}'".encode())
            (begun,) = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or (0,)
            with psycopg.connect(dsn, autocommit=True) as other:
                (ended,) = other.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or (0,)
        return float(ended - begun - 1)

    return {
        "row": connected(row),
        "first": statistics.median(connected(first) for _ in range(SESSIONS)),
        "subtransactions": connected(subtransactions),
    }


def _microseconds(connection: psycopg.Connection, statement: str) -> float:
    started = time.perf_counter()
    connection.execute(statement.encode())
    return (time.perf_counter() - started) * 1e6
