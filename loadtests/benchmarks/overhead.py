"""What rtp's triggers cost the writer, beside other triggers, on one machine in one run. `make overhead` runs it.

The write rate of the bare table is 1. Durable commits; pgbench writes, so that Python is not what is measured. Disks
and neighbours change their mind by the second: short slices take turns, each contestant between two of the bare table,
and the figure is the median of those ratios. PgQ, where it is installed, runs on the server that it is installed for.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from rich.console import Console
from rich.table import Table

from core.stack import EmbeddedStack
from loadtests.benchmarks.contestants import BARE, ENTITIES, contestants, has_pgq, install
from loadtests.benchmarks.one_session import FIGURES, measure_session
from loadtests.benchmarks.pgbench import Pgbench
from loadtests.benchmarks.write_patterns import WRITE_PATTERNS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psycopg import Connection

    from loadtests.benchmarks.write_patterns import WritePattern

CLIENTS = (1, 4, 16)
BULK_REPEATS = 3
_PGQ_SERVERS = "/usr/lib/postgresql/*/bin"

Ratios = dict[str, dict[str, list[float]]]


def main() -> None:
    """Measure and print a table; `--json` for scripts."""
    parser = argparse.ArgumentParser(description="Measure what the triggers cost the writer.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of single-row writes per slice")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    figures = {"": _measure(None, arguments.rounds, arguments.seconds, console)}
    servers = [folder for folder in _pgq_servers() if has_pgq(folder)]
    if not servers:
        console.print(f"PgQ left out: no server in {_PGQ_SERVERS} has it (Debian: postgresql-15-pgq3)")
    for folder in servers[:1]:
        figures[f" (PostgreSQL {folder.parent.name})"] = _measure(folder, arguments.rounds, arguments.seconds, console)
    ratios, sessions = (
        {
            name + server: {key: round(statistics.median(values), 2) for key, values in of.items()}
            for server, both in figures.items()
            for name, of in both[which].items()
        }
        for which in (0, 1)
    )
    if arguments.json:
        print(json.dumps({"ratios": ratios, "one session": sessions}))
        return
    _print(ratios, "rate (1, 4, 16 clients: higher is better), time (bulk: lower); the bare table is 1")
    _print(sessions, "in one session; lower is better")
    for figure, definition in FIGURES.items():
        print(f"{figure}: {definition}")


def _pgq_servers() -> list[Path]:
    return sorted(Path("/").glob(_PGQ_SERVERS[1:]))


def _measure(postgres_bin: Path | None, rounds: int, seconds: int, console: Console) -> tuple[Ratios, Ratios]:
    """Ratios of every contestant on one server, the embedded one or one with PgQ; and its figures in one session."""
    ratios: Ratios = defaultdict(lambda: defaultdict(list))
    sessions: Ratios = defaultdict(lambda: defaultdict(list))
    with (
        EmbeddedStack(postgres_bin=postgres_bin) as stack,
        psycopg.connect(stack.addresses.postgres_dsn, autocommit=True) as connection,
        psycopg.connect(stack.addresses.postgres_dsn, autocommit=True) as awake,
    ):
        tables = contestants(with_pgq=postgres_bin is not None)
        for table in tables.values():
            install(connection, table)
        # As a running rtp holds it, that is awake.
        awake.execute("SELECT pg_advisory_lock(7500912, 1)")
        rate = partial(_rate, partial(Pgbench, stack.addresses.postgres_dsn, ENTITIES, postgres_bin), seconds)
        for number in range(rounds):
            for kind, pattern in WRITE_PATTERNS.items():
                _start_over(connection, tables)
                for clients in CLIENTS:
                    _take_turns(tables, f"{kind} {clients}", partial(rate, pattern, clients), ratios)
                for _ in range(BULK_REPEATS):
                    _take_turns(tables, f"{kind} bulk", partial(_bulk, connection, pattern), ratios)
                for name, table in tables.items():
                    for figure, value in measure_session(stack.addresses.postgres_dsn, pattern, table).items():
                        sessions[name][f"{kind} {figure}"].append(value)
            console.print(f"round {number + 1} of {rounds}")
    return ratios, sessions


def _start_over(connection: Connection, tables: Mapping[str, str]) -> None:
    """Every value at 1000, and reported so: else the first quiet writes would be significant. No sample so far."""
    for table in tables.values():
        connection.execute(f"UPDATE updated_{table} SET tvl_usd = 1000".encode())  # noqa: S608
        connection.execute(f"TRUNCATE appended_{table}".encode())
        _vacuum(connection, f"updated_{table}")


def _vacuum(connection: Connection, table: str) -> None:
    """What a server does on its own after some time: to the table, and to what a contestant keeps beside it."""
    connection.execute(f"VACUUM {table}, rtp.baseline".encode())


def _take_turns(tables: Mapping[str, str], key: str, measure: Callable[[str], float], ratios: Ratios) -> None:
    bare = measure(tables[BARE])
    for name, table in tables.items():
        if name != BARE:
            value, after = measure(table), measure(tables[BARE])
            ratios[name][key].append(value / ((bare + after) / 2))
            bare = after


def _rate(writer_of: Callable[[int], Pgbench], seconds: int, pattern: WritePattern, clients: int, table: str) -> float:
    """Rows per second, each in a statement of its own."""
    return writer_of(clients).run(pattern.one_row(table, ":k"), seconds).per_second


def _bulk(connection: Connection, pattern: WritePattern, table: str) -> float:
    """How long a statement of many rows takes, in seconds."""
    statement = pattern.many_rows(table).encode()
    started = time.perf_counter()
    connection.execute(statement)
    taken = time.perf_counter() - started
    _vacuum(connection, f"{pattern.table}_{table}")
    return taken


def _print(medians: Mapping[str, Mapping[str, float]], title: str) -> None:
    keys = list(next(iter(medians.values())))
    table = Table("", *keys, title=title)
    for name, figures in medians.items():
        table.add_row(name, *[f"{figures[key]:.2f}" for key in keys])
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
