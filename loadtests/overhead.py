"""What rtp's triggers cost the writer, beside other triggers, on one machine in one run. `make overhead` runs it.

The write rate of the bare table is 1. Durable commits; pgbench writes, so that Python is not what is measured; every
round measures the bare table and each contestant in turn, and the figure is the median of the rounds' own ratios.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from rich.console import Console
from rich.table import Table

from core.database import queries
from core.settings.models import Settings
from core.stack import EmbeddedStack
from core.stack.binaries import postgres_folder
from triggers.installer import apply, plan_installation, plan_removal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psycopg import Connection

ENTITIES = 8000
BULK_ROWS = 5000
BULK_REPEATS = 5
CLIENTS = (1, 4, 16)
_PEERS = queries("loadtests", "peers.sql")
_FACTORS = {
    "quiet": "1000 + random() * 5",
    "significant": "tvl_usd * CASE WHEN tvl_usd > 1000 THEN 0.7 ELSE 1.5 END",
}
_WATCH = {
    "kind": "tvl",
    "table": "tvl",
    "columns": {"chain": "chain", "protocol": "protocol", "value": "tvl_usd", "changed_at": "updated_at"},
}
SETTINGS = Settings.model_validate({"watches": {"tvl": _WATCH}})


@dataclass(frozen=True)
class Contestant:
    """A way to watch the table: how it comes, and how it goes. A contestant that cannot come says why."""

    name: str
    install: Callable[[Connection], None]
    remove: Callable[[Connection], None]


def main() -> None:
    """Measure and print a table; `--json` for scripts."""
    parser = argparse.ArgumentParser(description="Measure what the triggers cost the writer.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of single-row writes per measurement")
    parser.add_argument("--postgres-bin", type=Path, help="folder of another PostgreSQL's programs (for PgQ)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with (
        EmbeddedStack(postgres_bin=arguments.postgres_bin) as stack,
        psycopg.connect(stack.addresses.postgres_dsn, autocommit=True) as connection,
        psycopg.connect(stack.addresses.postgres_dsn, autocommit=True) as awake,
    ):
        awake.execute("SELECT pg_advisory_lock(7500912, 1)")  # as a running rtp holds it
        ratios = _measure(connection, stack.addresses.postgres_dsn, arguments)
    medians = {name: {key: round(statistics.median(r), 2) for key, r in of.items()} for name, of in ratios.items()}
    print(json.dumps(medians)) if arguments.json else _print(medians)


def _measure(
    connection: Connection, dsn: str, arguments: argparse.Namespace
) -> Mapping[str, Mapping[str, list[float]]]:
    program = pgbench(arguments.postgres_bin)
    ratios: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    contestants = _contestants()
    for number in range(arguments.rounds):
        fresh_table(connection)
        bare = _figures(connection, dsn, program, arguments.seconds)
        for contestant in list(contestants):
            fresh_table(connection)
            try:
                contestant.install(connection)
            except psycopg.Error as error:
                Console(stderr=True).print(f"{contestant.name} left out: {str(error).splitlines()[0]}")
                contestants.remove(contestant)
                continue
            figures = _figures(connection, dsn, program, arguments.seconds)
            contestant.remove(connection)
            for key, value in figures.items():
                ratios[contestant.name][key].append(value / bare[key])
        Console(stderr=True).print(f"round {number + 1} of {arguments.rounds}")
    return ratios


def _contestants() -> list[Contestant]:
    def drop_peer(connection: Connection) -> None:
        connection.execute("DROP TRIGGER IF EXISTS peer ON tvl")
        connection.execute("DROP FUNCTION IF EXISTS peer_notify, peer_outbox")
        connection.execute("DROP TABLE IF EXISTS peer_outbox")
        connection.execute("DROP EXTENSION IF EXISTS pgq CASCADE")

    def peer(name: str) -> Contestant:
        return Contestant(name, lambda connection: _run(connection, _PEERS[name]), drop_peer)

    rtp = Contestant(
        "rtp",
        lambda connection: apply(connection, plan_installation(connection, SETTINGS)),
        lambda connection: apply(connection, plan_removal(connection)),
    )
    return [rtp, peer("notify"), peer("outbox"), peer("pgq")]


def _run(connection: Connection, statements: bytes) -> None:
    connection.execute(statements)


def fresh_table(connection: Connection) -> None:
    """The table to write to, as if nothing had ever been written."""
    connection.execute("DROP TABLE IF EXISTS tvl")
    connection.execute(
        "CREATE TABLE tvl (chain text, protocol text, tvl_usd numeric, source text, updated_at timestamptz,"
        " PRIMARY KEY (chain, protocol))"
    )
    connection.execute(
        "INSERT INTO tvl SELECT 'b', 'p' || g, 1000, 'x', now() FROM generate_series(0, %s) AS g", [ENTITIES - 1]
    )
    connection.execute("VACUUM ANALYZE tvl")


def _figures(connection: Connection, dsn: str, program: Path, seconds: float) -> dict[str, float]:
    figures = {}
    for kind, factor in _FACTORS.items():
        for clients in CLIENTS:
            figures[f"{kind} {clients}"] = _rate(program, dsn, clients, seconds, factor)
        figures[f"{kind} bulk"] = _bulk_seconds(connection, factor)
    return figures


def pgbench(named: Path | None) -> Path:
    """The program beside the server's own."""
    return postgres_folder(named)[0] / "pgbench"


def _rate(program: Path, dsn: str, clients: int, seconds: float, factor: str) -> float:
    """Single-row updates per second."""
    script = (
        f"\\set k random(0, {ENTITIES - 1})\n"
        f"UPDATE tvl SET tvl_usd = {factor}, updated_at = now() WHERE chain = 'b' AND protocol = 'p' || :k;\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        threads = "1" if clients == 1 else "2"
        command = [str(program), "-n", "-M", "prepared", "-f", file.name, "-c", str(clients), "-j", threads]
        command += ["-T", str(max(1, round(seconds))), dsn]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"tps = ([\d.]+)", output)
    assert found is not None
    return float(found[1])


def _bulk_seconds(connection: Connection, factor: str) -> float:
    """How long an UPDATE of 5,000 rows takes."""
    taken = []
    for _ in range(BULK_REPEATS):
        started = time.perf_counter()
        connection.execute(
            f"UPDATE tvl SET tvl_usd = {factor} WHERE substr(protocol, 2)::int < {BULK_ROWS}".encode()  # noqa: S608
        )
        taken.append(time.perf_counter() - started)
        connection.execute("VACUUM tvl")
    return statistics.median(taken)


def _print(medians: Mapping[str, Mapping[str, float]]) -> None:
    table = Table(
        "", *next(iter(medians.values())), title="rate (1, 4, 16 clients: higher is better), time (bulk: lower)"
    )
    table.add_row("bare table", *["1" for _ in next(iter(medians.values()))])
    for name, figures in medians.items():
        table.add_row(name, *[f"{value:.2f}" for value in figures.values()])
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
