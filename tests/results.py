"""Results of load tests, as the tests of what is made of them need them."""

from __future__ import annotations

from typing import Any

from loadtests.scenarios.results.criteria import Evidence, judge
from loadtests.scenarios.results.result import Latency, Moment, Received, RunResult

GOOD_P99_MS = {"detect": 3.0, "process": 5.0, "pubsub": 8.0, "sqs": 20.0}


def latency(p99: float) -> Latency:
    """A stage with this p99."""
    return Latency(count=1000, p50=p99 / 2, p90=p99 / 1.5, p99=p99, p999=p99, max=p99, histogram=[(p99, 1000)])


def complete(events: int = 10_000, **changes: int) -> dict[str, Received]:
    """Receivers that have got everything, but for the changes."""
    all_of_it = {"received": events, "lost": 0, "out_of_order": 0, "duplicates": 0} | changes
    return {"pubsub": Received(**all_of_it), "sqs": Received(**all_of_it)}


def evidence(p99_ms: dict[str, float] | None = None, **changes: Any) -> Evidence:
    """Of a run in which all is well, but for the changes."""
    stages = {stage: latency(value) for stage, value in (GOOD_P99_MS | (p99_ms or {})).items()}
    good: dict[str, Any] = {
        "rate": 1000,
        "end_to_end_ms": 100,
        "latency_ms": stages,
        "throughput": 1000.0,
        "received": complete(),
        "cache_hits": 95,
        "cache_misses": 5,
    }
    return Evidence(**good | changes)


def result(p99_ms: dict[str, float] | None = None, **changes: Any) -> RunResult:
    """A run in which all is well, but for the changes; judged by its own latencies."""
    seen = evidence(p99_ms, **{name: value for name, value in changes.items() if name in ("rate", "received")})
    good: dict[str, Any] = {
        "scenario": "steady",
        "summary": "single-row updates",
        "target": "embedded stack",
        "started_at": "2026-11-24T21:00:00.000000Z",
        "rate": 1000,
        "seconds": 10,
        "warm_up_seconds": 1,
        "machine": {"CPU": "2 x something"},
        "written": 10_000,
        "write_failures": 0,
        "throughput": 1000.0,
        "received": complete(),
        "cache_hits": 95,
        "cache_misses": 5,
        "latency_ms": dict(seen.latency_ms),
        "criteria": judge(seen),
        "timeline": [moment(second) for second in range(11)],
        "incidents": [],
        "cpu": {"rtp": 0.3, "PostgreSQL": 0.4, "SQS endpoint": 0.2},
        "machine_cpu": 0.5,
        "sessions": {},
    }
    return RunResult(**good | changes)


def moment(second: int) -> Moment:
    """A second in which all is well."""
    return Moment(
        second=second,
        offered=1000,
        written=1000,
        published=1000,
        alerts=1000,
        p50={"pubsub": 2.0, "sqs": 5.0},
        p99={"pubsub": 8.0, "sqs": 20.0},
        lag_seconds={"redis": 0.0, "sqs": 0.01},
        cpu={"rtp": 0.3},
        rtp_bytes=50_000_000,
    )
