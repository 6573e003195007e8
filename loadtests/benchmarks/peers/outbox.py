"""A polling outbox: a trigger inserts, a consumer claims with SKIP LOCKED, handles, and deletes in one transaction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.services.postgres import connect, queries
from loadtests.benchmarks.peers.install import run
from loadtests.benchmarks.peers.peer import BATCH, POLL_SECONDS, Place, PythonPeer

if TYPE_CHECKING:
    from loadtests.benchmarks.peers.receipts import Receipts

_CLAIM = queries("loadtests.benchmarks.peers", "install.sql")["claim_from_outbox"]


class OutboxPeer(PythonPeer):
    """It polls as often as rtp does while it is awake, and takes as much at once."""

    name = "outbox"

    def install(self, place: Place) -> None:
        run(place, "outbox")

    def consume(self, dsn: str, receipts: Receipts) -> None:
        with connect(dsn, role="outbox") as connection:
            while True:
                started = time.monotonic()
                with connection.transaction():
                    rows = connection.execute(_CLAIM, [BATCH], prepare=True).fetchall()
                    for _, row in sorted(rows):
                        receipts.note(row["protocol"], row["source"], row["updated_at"])
                    receipts.flush()
                if len(rows) < BATCH:
                    time.sleep(max(0.0, started + POLL_SECONDS - time.monotonic()))


PEER = OutboxPeer()
