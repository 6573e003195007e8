"""Where the trigger's cost comes from: triggers of which each does one thing more, up to rtp's own.

CPU of one server session, in turns, so that neighbours matter little: per statement of one row with its commit
(asynchronous), and of a session's first statement. `python -m loadtests.benchmarks.layers` runs it, on Linux.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from core.stack import EmbeddedStack
from loadtests.benchmarks.contestants import fresh_table, install
from loadtests.benchmarks.one_session import STATEMENTS, rows_in_a_loop
from loadtests.benchmarks.write_patterns import WRITE_PATTERNS

SESSIONS = 5  # a round
_TRANSITION = "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"
_PATH = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
_SETTINGS = f"{_PATH} SET enable_seqscan = off SET plan_cache_mode = force_generic_plan"
_LOOK = """
    SELECT r.*, b.value AS previous, b.ctid AS place INTO one FROM new_rows AS r
    LEFT JOIN rtp.baseline AS b ON b.watch = {watch} AND b.chain = r.chain AND b.entity = r.protocol
    WHERE (r.tvl_usd > b.lower AND r.tvl_usd < b.upper) IS NOT TRUE"""
_CAUGHT = f"BEGIN {_LOOK}; EXCEPTION WHEN OTHERS THEN RETURN NULL; END; "
_MOVE = """
    UPDATE rtp.baseline AS b SET value = one.tvl_usd, reported_at = clock_timestamp(), came_xid = NULL,
           lower = one.tvl_usd * 0.99, upper = one.tvl_usd * 1.01
    WHERE b.ctid = one.place AND b.value = one.previous"""
_APPEND = """
    INSERT INTO rtp.event (watch, chain, entity, previous, current, reason, severity, confidence, changed_at)
    SELECT {watch}, one.chain, one.protocol, one.previous, one.tvl_usd, 'deviation', 'info', 1, one.updated_at
    WHERE one.chain IS NOT NULL"""


@dataclass(frozen=True)
class Layer:
    """A trigger function on a table of its own: what is said of it, and what it does."""

    title: str
    body: str = ""
    options: str = ""
    referencing: str = _TRANSITION
    is_significant: bool = False

    def create(self, connection: psycopg.Connection, table: str, watch: int) -> None:
        """Make the table with its trigger, and the table's baselines."""
        fresh_table(connection, f"updated_{table}")
        for statement in (
            f"INSERT INTO rtp.baseline (watch, chain, entity, value, reported_at, rules, lower, upper)"  # noqa: S608
            f" SELECT {watch}, chain, protocol, 1000, now(), 1, 990, 1010 FROM updated_{table}",
            f"CREATE FUNCTION {table}() RETURNS trigger LANGUAGE plpgsql {self.options} AS $$"
            f" DECLARE one record; BEGIN {self.body.format(watch=watch)} RETURN NULL; END $$",
            f"CREATE TRIGGER layer AFTER UPDATE ON updated_{table} {self.referencing}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {table}()",
        ):
            connection.execute(statement.encode())


LAYERS = (
    Layer("a trigger that does nothing", referencing=""),
    Layer("with the rows of the statement"),
    Layer("with its owner's rights and a fixed search_path", options=_PATH),
    Layer("with fixed settings of the planner", options=_SETTINGS),
    Layer("compares the row with its baseline", f"{_LOOK};", _SETTINGS),
    Layer("the same, errors caught", _CAUGHT, _SETTINGS),
    Layer("and appends the event", f"{_CAUGHT}{_APPEND};", _SETTINGS, is_significant=True),
    Layer("and moves the baseline", f"{_CAUGHT}{_APPEND};{_MOVE};", _SETTINGS, is_significant=True),
)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="Measure what each part of a trigger costs the writer.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    figures: dict[tuple[str, str], list[float]] = defaultdict(list)
    with (
        EmbeddedStack() as stack,
        psycopg.connect(stack.addresses.postgres_dsn, autocommit=True) as connection,
        psycopg.connect(stack.addresses.postgres_dsn, autocommit=True) as awake,
    ):
        dsn = stack.addresses.postgres_dsn
        awake.execute("SELECT pg_advisory_lock(7500912, 1)")
        turns = [("the bare table", "bare", "quiet")]
        install(connection, "bare")
        install(connection, "rtp")
        for number, layer in enumerate(LAYERS):
            layer.create(connection, f"layer_{number}", 100 + number)
            turns.append((layer.title, f"layer_{number}", "significant" if layer.is_significant else "quiet"))
        turns += [("rtp, in band", "rtp", "quiet"), ("rtp, significant", "rtp", "significant")]
        for _ in range(rounds):
            for title, table, pattern in turns:
                if pattern == "quiet":
                    connection.execute(f"UPDATE updated_{table} SET tvl_usd = 1000".encode())  # noqa: S608
                connection.execute("VACUUM")
                figures[title, "row"].append(_per_row(dsn, table, pattern))
                figures[title, "first"] += [_first(dsn, table, pattern) for _ in range(SESSIONS)]
    shown = Table("", "a row, µs", "a session's first, µs", title="CPU of the server's session, medians")
    for title, _, _ in turns:
        row, first = (statistics.median(figures[title, which]) for which in ("row", "first"))
        shown.add_row(title, f"{row:.1f}", f"{first:,.0f}")
    Console(width=120).print(shown)


def _per_row(dsn: str, table: str, pattern: str) -> float:
    rows = partial(rows_in_a_loop, WRITE_PATTERNS[pattern], table)
    with _connected(dsn) as connection:
        connection.execute(rows(STATEMENTS // 20).encode())
        return _cpu_microseconds(connection, rows(STATEMENTS)) / STATEMENTS


def _first(dsn: str, table: str, pattern: str) -> float:
    with _connected(dsn) as connection:
        return _cpu_microseconds(connection, WRITE_PATTERNS[pattern].one_row(table, "1"))


def _connected(dsn: str) -> psycopg.Connection:
    return psycopg.connect(dsn, autocommit=True, options="-c synchronous_commit=off")


def _cpu_microseconds(connection: psycopg.Connection, statement: str) -> float:
    clock = Path(f"/proc/{connection.info.backend_pid}/schedstat")
    before = int(clock.read_text(encoding="ascii").split()[0])
    connection.execute(statement.encode())
    return (int(clock.read_text(encoding="ascii").split()[0]) - before) / 1000


if __name__ == "__main__":
    main()
