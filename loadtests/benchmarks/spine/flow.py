"""Update to subscriber and to alert, through rtp."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from loadtests.benchmarks.percentiles import percentiles_ms
from loadtests.benchmarks.pgbench import Pgbench
from loadtests.benchmarks.spine.receivers import Receivers, consume, subscribe
from loadtests.benchmarks.watched_demo import QUERIES
from loadtests.shared.usage import usage

if TYPE_CHECKING:
    from loadtests.benchmarks.watched_demo import WatchedDemo

_CONSUMERS = 2
_WARM_UP_SECONDS = 2


def measure_flow(demo: WatchedDemo, rate: int, seconds: int) -> dict[str, Any]:
    """Latencies, and how much of a CPU rtp used; a warm-up goes before, and is not measured."""
    writer, update = Pgbench(demo.addresses.postgres_dsn, demo.entities), QUERIES["change_one"].decode()
    receivers = Receivers()
    receivers.start("pubsub", subscribe, demo.addresses.redis_url, "rtp:events:*")
    if demo.settings.sqs.queue:
        receivers.start("sqs", consume, demo.addresses, demo.queue_url, processes=_CONSUMERS)
    with demo.rtp() as rtp:
        assert rtp.pid is not None
        written = writer.run(update, _WARM_UP_SECONDS, rate).transactions
        for name in receivers.names:
            receivers.wait_for(name, written)
        since, before = time.time(), usage(rtp.pid)
        measured = writer.run(update, seconds, rate).transactions
        after = usage(rtp.pid)
        for name in receivers.names:
            receivers.wait_for(name, written + measured)
        received = receivers.latencies(since)
        rtp.check()
    figures: dict[str, Any] = {"written": measured}
    for name, latencies in received.items():
        figures |= {f"{name}_received": len(latencies), **percentiles_ms(f"{name}_", latencies)}
    if before and after:
        figures["rtp_cpu_us_per_event"] = round((after.cpu_seconds - before.cpu_seconds) / measured * 1e6, 1)
    return figures
