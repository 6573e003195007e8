"""The least that any such flow takes here: the same updates on a table without triggers, NOTIFY, a listener, PUBLISH.

The listener does nothing else: no log, no event, no cache, no cursor. What it has not heard it will never hear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from core.services.postgres import queries
from loadtests.benchmarks.percentiles import percentiles_ms
from loadtests.benchmarks.pgbench import Pgbench
from loadtests.benchmarks.spine.receivers import Receivers, subscribe
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    import multiprocessing as mp
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event as Flag

    from loadtests.benchmarks.watched_demo import WatchedDemo

_QUERIES = queries("loadtests.benchmarks.spine", "writes.sql")
_CHANNEL = "floor"


def measure_floor(demo: WatchedDemo, rate: int, seconds: int) -> dict[str, Any]:
    """Latencies from the update's clock to a subscriber."""
    demo.connection.execute(_QUERIES["create_bare"])
    receivers = Receivers()
    receivers.start("hop", _forward, demo.addresses.postgres_dsn, demo.addresses.redis_url)
    receivers.start("floor", subscribe, demo.addresses.redis_url, _CHANNEL)
    writer = Pgbench(demo.addresses.postgres_dsn, demo.entities)
    written = writer.run(_QUERIES["update_bare_and_notify"].decode(), seconds, rate).transactions
    receivers.wait_for("floor", written)
    return {"floor_written": written, **percentiles_ms("floor_", receivers.latencies()["floor"])}


def _forward(name: str, dsn: str, url: str, count: Synchronized[int], stop: Flag, results: mp.Queue[Any]) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection, redis_client(url) as client:
        connection.execute(f"LISTEN {_CHANNEL}")
        results.put("ready")
        while not stop.is_set():
            for notification in connection.notifies(timeout=0.2):
                client.publish(_CHANNEL, notification.payload)
                count.value += 1
    results.put((name, []))
