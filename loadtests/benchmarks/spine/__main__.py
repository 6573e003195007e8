"""Measure update to pub/sub, update to SQS and the drain of a backlog, each beside its floor in the same run.

Everything runs on this machine, on the embedded stack: rtp as its own process, the writer (pgbench), the subscriber
and the SQS consumers in others. Latency is taken from the update's own clock, clock_timestamp() in the UPDATE
statement; the writer follows its schedule, whatever the database does (no coordinated omission).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import psycopg

from core.demo.queue import create_queue
from core.demo.tables import create_tables
from core.services.sqs_client import sqs_client
from core.sinks.settings import load_settings
from core.stack import EmbeddedStack, StackAddresses
from loadtests.benchmarks.spine.drain import measure_redis_drain, measure_sqs_drain
from loadtests.benchmarks.spine.floor import measure_floor
from loadtests.benchmarks.spine.flow import measure_flow
from loadtests.benchmarks.spine.place import ENTITIES, QUERIES, QUEUE
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    from core.settings.models import Settings


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
    with EmbeddedStack() as stack:
        settings = _prepare(stack.addresses, with_alerts=not arguments.without_alerts)
        _say("the floor: UPDATE and NOTIFY, a listener, PUBLISH")
        figures |= measure_floor(settings, arguments.rate, min(arguments.seconds, 15))
        _say("the flow through rtp")
        figures |= measure_flow(settings, arguments.rate, arguments.seconds)
        figures |= {
            f"over_floor_{share}": round(figures[f"pubsub_{share}_ms"] / figures[f"floor_{share}_ms"], 2)
            for share in ("p50", "p99")
        }
        if not arguments.without_drain:
            if settings.sqs.queue:
                _say("alerts behind a backlog, and a bare boto3 loop")
                figures |= measure_sqs_drain(settings)
            _say("a backlog into Redis")
            figures["redis_drained_per_second"] = measure_redis_drain(settings)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:32} {value}")


def _say(step: str) -> None:
    print(f"measuring {step} ...", file=sys.stderr)


def _prepare(addresses: StackAddresses, *, with_alerts: bool) -> Settings:
    os.environ |= addresses.environ(queue=QUEUE)
    settings = load_settings(None, environ=os.environ, options={})
    create_queue(sqs_client(settings.sqs), QUEUE)
    with psycopg.connect(addresses.postgres_dsn, autocommit=True) as connection:
        create_tables(connection)
        connection.execute(QUERIES["seed"], {"entities": ENTITIES})
        connection.execute(QUERIES["create_bare"])
        connection.execute(QUERIES["seed_bare"])
        apply(connection, plan_installation(connection, settings))
    return (
        settings
        if with_alerts
        else settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"queue": None})})
    )


if __name__ == "__main__":
    main()
