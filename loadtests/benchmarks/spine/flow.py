"""Update to subscriber and to alert, through rtp."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from loadtests.benchmarks.spine.processes import Receivers, consume, percentiles, rtp, subscribe, write
from loadtests.shared.usage import usage

if TYPE_CHECKING:
    from core.settings.models import Settings

_CONSUMERS = 2
_WARM_UP_SECONDS = 2


def measure_flow(settings: Settings, rate: int, seconds: int) -> dict[str, Any]:
    """Latencies, and how much of a CPU rtp used; a warm-up goes before, and is not measured."""
    receivers = Receivers()
    receivers.start("pubsub", subscribe, settings.redis.url, "rtp:events:*")
    if settings.sqs.queue:
        receivers.start("sqs", consume, settings, processes=_CONSUMERS)
    with rtp(settings) as process:
        written = write(settings, "update_one", rate, _WARM_UP_SECONDS)
        for name in receivers.names:
            receivers.wait_for(name, written)
        since, before = time.time(), usage(process.pid)
        measured = write(settings, "update_one", rate, seconds)
        after = usage(process.pid)
        for name in receivers.names:
            receivers.wait_for(name, written + measured)
        received = receivers.latencies(since)
    figures: dict[str, Any] = {"written": measured}
    for name, latencies in received.items():
        figures |= {f"{name}_received": len(latencies), **percentiles(name, latencies)}
    if before and after:
        figures["rtp_cpu_us_per_event"] = round((after.cpu_seconds - before.cpu_seconds) / measured * 1e6, 1)
    return figures
