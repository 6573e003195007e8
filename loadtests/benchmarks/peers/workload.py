"""The writes, the same for every peer: significant single-row updates, each numbering its entity's events 1, 2, 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.services.postgres import connect, queries
from loadtests.benchmarks.pgbench import Pgbench

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from loadtests.benchmarks.peers.phase import Counts

ENTITIES = 8000
PROBE = "probe"
_QUERIES = queries("loadtests.benchmarks.peers", "workload.sql")


class WrittenTable:
    """The table and its writer, on one server."""

    def __init__(self, dsn: str, programs: Path) -> None:
        self._dsn, self._pgbench = dsn, Pgbench(dsn, ENTITIES, programs)

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
        with connect(self._dsn, role="peers") as connection:
            return dict(connection.execute(_QUERIES["counts"]).fetchall())

    def bytes_beside_table(self) -> int:
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
        return self._pgbench.start(self.update("'p' || :k").decode(), seconds, rate)
