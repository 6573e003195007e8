"""PgQ: its trigger, its ticker daemon pgqd, and a consumer on its own Python framework."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from loadtests.benchmarks.peers.install import run
from loadtests.benchmarks.peers.modules import missing_library, missing_module
from loadtests.benchmarks.peers.peer import POLL_SECONDS, Place, PythonPeer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from loadtests.benchmarks.peers.receipts import Receipts

QUEUE = "peer"
_TICK_SECONDS = 0.01


class PgQ(PythonPeer):
    """It ticks a hundred times a second (pgqd's default is once), and its consumer polls as often as rtp."""

    name = "PgQ"

    def missing(self, programs: Path) -> str | None:
        if shutil.which("pgqd") is None:
            return "pgqd is not installed (Debian: pgqd)"
        return missing_library(programs, "pgq_triggers.so", "postgresql-15-pgq3") or missing_module("pgq", "skytools")

    def install(self, place: Place) -> None:
        run(place, "pgq")

    @contextmanager
    def beside(self, place: Place) -> Iterator[Sequence[int]]:
        parts = conninfo_to_dict(place.dsn)
        database = str(parts.pop("dbname"))
        file = place.folder / "pgqd.ini"
        file.touch(mode=0o600)
        file.write_text(
            f"[pgqd]\nbase_connstr = {make_conninfo(**parts)}\ninitial_database = {database}\n"  # type: ignore[arg-type]
            f"database_list = {database}\nsyslog = 0\nticker_period = {_TICK_SECONDS}\n"
        )
        process = subprocess.Popen(["pgqd", "-q", str(file)], stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            yield (process.pid,)
        finally:
            process.kill()
            process.wait()

    def consume(self, dsn: str, receipts: Receipts) -> None:
        _consumer(dsn, receipts).start()


def _consumer(dsn: str, receipts: Receipts) -> Any:
    import pgq  # noqa: PLC0415 - not there everywhere
    import skytools  # noqa: PLC0415

    settings = {"db": dsn, "queue_name": QUEUE, "job_name": QUEUE, "loop_delay": str(POLL_SECONDS), "use_skylog": "0"}

    class Consumer(pgq.Consumer):
        def load_config(self) -> skytools.Config:
            return skytools.Config(self.service_name, None, override=settings)

        def process_batch(self, db: Any, batch_id: int, event_list: Any) -> None:
            for event in event_list:
                row = skytools.db_urldecode(event.data)
                receipts.note(str(row["protocol"]), str(row["source"]), str(row["updated_at"]))
            receipts.flush()

    return Consumer(QUEUE, "db", ["--quiet"])


PEER = PgQ()
