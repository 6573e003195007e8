"""The least that any such flow takes here: the same updates on a table without triggers, NOTIFY, a listener, PUBLISH.

The listener does nothing else: no log, no event, no cache, no cursor. What it has not heard it will never hear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from core.settings.models import postgres_dsn
from loadtests.benchmarks.spine.processes import Receivers, percentiles, subscribe, write
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    import multiprocessing as mp
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event as Flag

    from core.settings.models import Settings

_CHANNEL = "floor"


def measure_floor(settings: Settings, rate: int, seconds: int) -> dict[str, Any]:
    """Latencies from the update's clock to a subscriber."""
    receivers = Receivers()
    receivers.start("hop", _forward, postgres_dsn(settings), settings.redis.url)
    receivers.start("floor", subscribe, settings.redis.url, _CHANNEL)
    written = write(settings, "update_bare_and_notify", rate, seconds)
    receivers.wait_for("floor", written)
    return {"floor_written": written, **percentiles("floor", receivers.latencies()["floor"])}


def _forward(name: str, dsn: str, url: str, count: Synchronized[int], stop: Flag, results: mp.Queue[Any]) -> None:
    with (
        psycopg.connect(dsn, autocommit=True) as connection,
        redis_client(url) as client,
    ):
        connection.execute(f"LISTEN {_CHANNEL}")
        results.put("ready")
        while not stop.is_set():
            for notification in connection.notifies(timeout=0.2):
                client.publish(_CHANNEL, notification.payload)
                count.value += 1
    results.put((name, []))
