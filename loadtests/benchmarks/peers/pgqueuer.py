"""PgQueuer: a job per change, and a worker as its documentation sets one up, with what its tuning page lists."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from core.services.postgres import connect
from loadtests.benchmarks.peers.install import run
from loadtests.benchmarks.peers.modules import missing_module
from loadtests.benchmarks.peers.peer import Place, PythonPeer

if TYPE_CHECKING:
    from pathlib import Path

    from pgqueuer.models import Job

    from loadtests.benchmarks.peers.receipts import Receipts

_BATCH = 100
_HEARTBEAT_SECONDS = 5


class PgQueuer(PythonPeer):
    """Larger batches than its 10, as for short jobs; looks for a dead worker's jobs after 5 s instead of 30."""

    name = "PgQueuer"
    recovery_seconds = _HEARTBEAT_SECONDS + 5.0

    def missing(self, programs: Path) -> str | None:
        return missing_module("pgqueuer", "asyncpg", "uvloop")

    def install(self, place: Place) -> None:
        from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment  # noqa: PLC0415 - not there everywhere

        own = QueryBuilderEnvironment()
        with connect(place.dsn, role="peers") as connection:
            for statement in (own.build_install_query(), own.build_optimize_autovacuum_query()):
                connection.execute(statement.encode())
        run(place, "pgqueuer")

    def consume(self, dsn: str, receipts: Receipts) -> None:
        import uvloop  # noqa: PLC0415 - not there everywhere

        uvloop.run(_work(dsn, receipts))  # as its own command line does


async def _work(dsn: str, receipts: Receipts) -> None:
    import asyncpg  # noqa: PLC0415
    import pgqueuer  # noqa: PLC0415
    from pgqueuer.db import AsyncpgDriver  # noqa: PLC0415

    connection = await asyncpg.connect(dsn)
    worker = pgqueuer.PgQueuer(AsyncpgDriver(connection))

    @worker.entrypoint("changed")
    async def changed(job: Job) -> None:
        row = json.loads(job.payload or b"{}")
        receipts.note(row["protocol"], row["source"], row["updated_at"])
        receipts.flush()

    await worker.run(
        batch_size=_BATCH,
        dequeue_timeout=timedelta(seconds=1),
        heartbeat_timeout=timedelta(seconds=_HEARTBEAT_SECONDS),
    )


PEER = PgQueuer()
