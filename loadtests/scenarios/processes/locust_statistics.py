"""What was measured, by this process and by others, as requests in Locust's statistics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from locust.stats import StatsEntry, StatsEntryDict, bucket_response_time

from loadtests.shared.latency_buckets import upper_ms

if TYPE_CHECKING:
    from locust.stats import RequestStats

    from loadtests.scenarios.processes.tick import Tick

# Request type → what its name column says.
REQUEST_TYPES = {
    "db": "schedule to commit",
    "pubsub": "update to subscriber",
    "sqs": "update to alert",
    "detect": "trigger to rtp",
    "process": "trigger to Redis",
    "cache": "cache read",
}


def count_tick(statistics: RequestStats, tick: Tick) -> None:
    """Add a tick's latencies, in one step per request type."""
    now = time.time()
    for request_type, name in REQUEST_TYPES.items():
        for found in tick.latencies.get(request_type, {}).values():
            if found:
                entry = _entry(statistics, request_type, name, found, now)
                statistics.entries[(name, request_type)].extend(entry)
                statistics.total.extend(entry)


def count_failure(statistics: RequestStats, error: Exception) -> None:
    """Add a write that failed."""
    statistics.log_request("db", REQUEST_TYPES["db"], 0, 0)
    statistics.log_error("db", REQUEST_TYPES["db"], error)


def _entry(statistics: RequestStats, request_type: str, name: str, found: dict[int, int], now: float) -> StatsEntry:
    times: dict[float, int] = {}
    for number, many in found.items():
        ms = bucket_response_time(upper_ms(number))
        times[ms] = times.get(ms, 0) + many
    total = sum(found.values())
    document = {
        "name": name,
        "method": request_type,
        "last_request_timestamp": now,
        "start_time": now,
        "num_requests": total,
        "num_none_requests": 0,
        "num_failures": 0,
        "total_response_time": sum(upper_ms(number) * many for number, many in found.items()),
        "max_response_time": upper_ms(max(found)),
        "min_response_time": upper_ms(min(found)),
        "total_content_length": 0,
        "response_times": times,
        "num_reqs_per_sec": {int(now): total},
        "num_fail_per_sec": {},
    }
    return StatsEntry.unserialize(cast("StatsEntryDict", document), statistics)
