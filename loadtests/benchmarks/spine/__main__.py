"""Measure update to pub/sub, update to SQS and the drain of a backlog, each beside its floor in the same run.

Everything runs on this machine, on the embedded stack: rtp as its own process, the writer (pgbench), the subscriber
and the SQS consumers in others. Latency is taken from the update's own clock, clock_timestamp() in the UPDATE
statement; the writer follows its schedule, whatever the database does (no coordinated omission).
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from loadtests.benchmarks.spine.drain import measure_redis_drain, measure_sqs_drain
from loadtests.benchmarks.spine.floor import measure_floor
from loadtests.benchmarks.spine.flow import measure_flow
from loadtests.benchmarks.watched_demo import watched_demo

_ENTITIES = 1000


def main() -> None:
    """Measure and print; `--json` for scripts."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure the spine on the embedded stack.")
    parser.add_argument("--rate", type=int, default=1000, help="significant updates per second (default 1000)")
    parser.add_argument("--seconds", type=int, default=30, help="for how long (default 30)")
    parser.add_argument("--without-alerts", action="store_true", help="leave SQS and its consumers out")
    parser.add_argument("--without-drain", action="store_true", help="measure latency only")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"rate": arguments.rate}
    with watched_demo(_ENTITIES, with_alerts=not arguments.without_alerts) as demo:
        _say("the floor: UPDATE and NOTIFY, a listener, PUBLISH")
        figures |= measure_floor(demo, arguments.rate, min(arguments.seconds, 15))
        _say("the flow through rtp")
        figures |= measure_flow(demo, arguments.rate, arguments.seconds)
        figures |= {
            f"over_floor_{share}": round(figures[f"pubsub_{share}_ms"] / figures[f"floor_{share}_ms"], 2)
            for share in ("p50", "p99")
        }
        if not arguments.without_drain:
            if demo.settings.sqs.queue:
                _say("alerts behind a backlog, and a bare boto3 loop")
                figures |= measure_sqs_drain(demo)
            _say("a backlog into Redis")
            figures["redis_drained_per_second"] = measure_redis_drain(demo)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:32} {value}")


def _say(step: str) -> None:
    print(f"measuring {step} ...", file=sys.stderr)


if __name__ == "__main__":
    main()
