"""LISTEN/NOTIFY with the row in the payload, as psycopg's documentation shows it: `connection.notifies()`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from core.services.postgres import connect
from loadtests.benchmarks.peers.install import run
from loadtests.benchmarks.peers.peer import Place, PythonPeer

if TYPE_CHECKING:
    from loadtests.benchmarks.peers.receipts import Receipts


class Notify(PythonPeer):
    """A trigger notifies with the row as JSON."""

    name = "LISTEN/NOTIFY"

    def install(self, place: Place) -> None:
        run(place, "notify")

    def consume(self, dsn: str, receipts: Receipts) -> None:
        with connect(dsn, role="notify") as connection:
            connection.execute("LISTEN peer")
            for notification in connection.notifies():
                row = json.loads(notification.payload)
                receipts.note(row["protocol"], row["source"], row["updated_at"])
                receipts.flush()


PEER = Notify()
