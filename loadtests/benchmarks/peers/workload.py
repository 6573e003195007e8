"""The writes, the same for every peer: significant single-row updates, each numbering its entity's events 1, 2, 3."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict

from core.errors import RtpError
from core.services.postgres import connect, queries

if TYPE_CHECKING:
    from pathlib import Path

    from loadtests.benchmarks.peers.account import Counts

CLIENTS = 8
ENTITIES = 8000
PROBE = "probe"
_QUERIES = queries("loadtests.benchmarks.peers", "workload.sql")
_LIBPQ = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}


class Writer:
    """pgbench, on one server: Python's own speed is not what is measured."""

    def __init__(self, dsn: str, programs: Path) -> None:
        self._dsn, self._program = dsn, programs / "pgbench"

    def create_table(self) -> None:
        """The table to write to, as if nothing had ever been written."""
        with connect(self._dsn, role="peers") as connection:
            connection.execute(_QUERIES["create_table"])
            connection.execute(_QUERIES["fill_table"], [ENTITIES - 1])
            connection.execute("ANALYZE tvl")
        # Before a peer has tables of its own: plans made for empty ones that were vacuumed take them to stay empty.
        self.vacuum()

    def vacuum(self) -> None:
        """What the server does by itself sooner or later; with the checkpoint, a slot's position moves up."""
        with connect(self._dsn, role="peers") as connection:
            connection.execute("VACUUM")
            connection.execute("CHECKPOINT")

    def counts(self) -> Counts:
        """How often each entity was written."""
        with connect(self._dsn, role="peers") as connection:
            return dict(connection.execute(_QUERIES["counts"]).fetchall())

    def bytes_beside_table(self) -> int:
        """What the database holds besides the table."""
        with connect(self._dsn, role="peers") as connection:
            row = connection.execute(_QUERIES["bytes"]).fetchone()
            assert row is not None
            return int(row[0])

    def probe(self) -> None:
        """One update of an entity that is not counted."""
        with connect(self._dsn, role="peers") as connection:
            connection.execute(self.update(f"'{PROBE}'"))

    def update(self, key: str) -> bytes:
        """The update of one entity, by an SQL expression."""
        return _QUERIES["update"].replace(b":key", key.encode())

    def start(self, seconds: int, rate: float | None = None) -> subprocess.Popen[str]:
        """Write for so long: `rate` updates per second, or as many as the server takes."""
        options = ["-n", "-M", "prepared", "-f", "/dev/stdin", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds)]
        process = subprocess.Popen(
            [str(self._program), *options, *(["-R", f"{rate:g}"] if rate else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **_libpq(self._dsn)},
        )
        update = self.update("'p' || :k").decode()
        assert process.stdin is not None
        with process.stdin:
            process.stdin.write(f"\\set k random(0, {ENTITIES - 1})\n{update}\n")
        return process


def finish(process: subprocess.Popen[str]) -> float:
    """Wait for the writer's end; updates per second. Raises RtpError where it failed."""
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    process.wait()
    found = re.search(r"tps = ([\d.]+)", output)
    if found is None:
        raise RtpError(f"pgbench failed: {output.strip()[-300:]}")
    return float(found[1])


def _libpq(dsn: str) -> dict[str, str]:
    """A DSN as libpq's variables: a password does not belong on a command line."""
    return {_LIBPQ[name]: str(value) for name, value in conninfo_to_dict(dsn).items() if name in _LIBPQ}
