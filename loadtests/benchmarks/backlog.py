"""What a long backlog costs `rtp run`: its memory while it catches up, and whether live events wait for it meanwhile.

A million events wait for every sink. rtp starts; its resident memory is read from /proc several times a second. Redis
is through long before SQS: then live changes are written, and must reach Redis as soon as before it. For Linux.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
from rich.console import Console

from core.services.postgres import queries
from loadtests.benchmarks.percentiles import percentile
from loadtests.benchmarks.watched_demo import watched_demo
from loadtests.shared.sqs_consumer import SqsConsumer, stack_sqs_client
from rtp_client.keys import STREAM, channel_pattern
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    import psycopg

    from loadtests.benchmarks.watched_demo import WatchedDemo
    from loadtests.shared.rtp_run import RtpRun

_QUERIES = queries("loadtests.benchmarks", "backlog.sql")
ENTITIES = 10_000
MOST_MEGABYTES = 200
LIVE_CHANGES = 300
_err = Console(stderr=True)


def main() -> None:
    """Make the backlog, start rtp, look. Exit code 1 where it took more memory than it may."""
    parser = argparse.ArgumentParser(description="Measure rtp's memory behind a long backlog.")
    parser.add_argument("--events", type=int, default=1_000_000, help="how many wait for each sink (default 1000000)")
    parser.add_argument("--seconds", type=int, default=600, help="look no longer than this (default 600)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    with watched_demo(ENTITIES, durable=False) as demo:
        demo.connection.execute(_QUERIES["live_entity"])
        with (
            closing(stack_sqs_client(demo.addresses)) as sqs,
            redis_client(demo.addresses.redis_url) as client,
        ):
            consumer = SqsConsumer([sqs], demo.queue_url, lambda *_: None)
            consumer.start()
            alone = _measure_live(demo, client)
            events = _make_backlog(demo, arguments.events)
            behind = _measure_behind(demo, client, events, arguments.seconds)
            consumer.stop()
    figures = {"events": events, **alone, **behind}
    if arguments.json:
        print(json.dumps(figures))
    else:
        Console().print("\n".join(f"{name:<52} {value:>12,}" for name, value in figures.items()))
    sys.exit(figures["most MB of rtp"] > MOST_MEGABYTES)


def _make_backlog(demo: WatchedDemo, events: int) -> int:
    rounds = max(1, events // ENTITIES)
    for number in range(1, rounds + 1):
        demo.change_all(1)
        if number % 10 == 0:
            _err.print(f"backlog: {number * ENTITIES:,} events")
    return rounds * ENTITIES


def _measure_live(demo: WatchedDemo, client: redis.Redis) -> dict[str, float]:
    with demo.rtp() as rtp:
        memory = _MemoryProbe(rtp)
        latencies = _live(demo.connection, client, memory)
    return {"MB of rtp without a backlog": memory.megabytes, **_percentiles("without a backlog", latencies)}


def _measure_behind(demo: WatchedDemo, client: redis.Redis, events: int, most_seconds: float) -> dict[str, float]:
    before = _in_stream(client)
    with demo.rtp() as rtp:
        memory = _MemoryProbe(rtp)
        while (first := _in_stream(client)) == before:
            rtp.check()
            time.sleep(0.01)
        started, told = time.monotonic(), before
        while (now := _in_stream(client)) < before + events and time.monotonic() - started < most_seconds:
            memory.look()
            if now - told >= events // 10:
                told = now
                _err.print(f"Redis has {now - before:,}, rtp {memory.megabytes:.0f} MB")
            time.sleep(0.1)
        figures: dict[str, float] = {
            "Redis: events while it caught up": now - first,
            "Redis: events per second": round((now - first) / (time.monotonic() - started)),
        }
        if now >= before + events:
            figures["SQS: events behind before the live ones"] = _lag(demo.connection, "sqs")
            latencies = _live(demo.connection, client, memory)
            figures["SQS: events behind after the live ones"] = _lag(demo.connection, "sqs")
            figures |= _percentiles("while SQS catches up", latencies)
        memory.look()
    return {"most MB of rtp": memory.most_megabytes, **figures}


def _percentiles(when: str, latencies: list[float]) -> dict[str, float]:
    ordered = sorted(latencies)
    return {
        f"live to pub/sub {when}, {name}, ms": round((percentile(ordered, share) or 0) * 1000, 2)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


class _MemoryProbe:
    """A process's resident memory; the kernel remembers its peak."""

    def __init__(self, rtp: RtpRun) -> None:
        self._status = Path(f"/proc/{rtp.pid}/status")
        self.megabytes = 0.0
        self.most_megabytes = 0.0

    def look(self) -> None:
        lines = dict(line.split(":", 1) for line in self._status.read_text(encoding="ascii").splitlines())
        self.megabytes = round(int(lines["VmRSS"].split()[0]) / 1024, 1)
        self.most_megabytes = max(self.most_megabytes, round(int(lines["VmHWM"].split()[0]) / 1024, 1))


def _live(connection: psycopg.Connection, client: redis.Redis, memory: _MemoryProbe) -> list[float]:
    """From a change's commit to its message, one after the other."""
    latencies = []
    with client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
        subscription.psubscribe(channel_pattern(chain="live"))
        subscription.get_message(timeout=5)
        for number in range(LIVE_CHANGES):
            started = time.monotonic()
            connection.execute(_QUERIES["change_live"], ["1.02" if number % 2 else "0.97"])
            while subscription.get_message(timeout=5) is None:
                if time.monotonic() - started > 60:
                    raise SystemExit("a live event did not arrive within 60 s")
            latencies.append(time.monotonic() - started)
            memory.look()
    return latencies


def _in_stream(client: redis.Redis) -> int:
    info: Any = client.xinfo_stream(STREAM) if client.exists(STREAM) else {"entries-added": 0}
    return int(info["entries-added"])


def _lag(connection: psycopg.Connection, sink: str) -> int:
    row = connection.execute(_QUERIES["lag"], [sink]).fetchone()
    assert row is not None
    return int(row[0])


if __name__ == "__main__":
    main()
