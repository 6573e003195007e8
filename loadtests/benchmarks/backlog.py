"""What a long backlog costs `rtp run`: its memory while it catches up, and whether live events wait for it meanwhile.

A million events wait for every sink. rtp starts; its resident memory is read from /proc several times a second. Redis
is through long before SQS: then live changes are written, and must reach Redis as soon as before it. For Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import redis
from rich.console import Console

from core.demo.queue import create_queue
from core.demo.tables import create_tables
from core.services.postgres import connect, queries
from core.services.sqs_client import sqs_client
from core.settings.file import default_path
from core.sinks.settings import load_settings
from core.stack import EmbeddedStack
from rtp_client.keys import STREAM, channel_pattern
from rtp_client.redis import redis_client
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

_QUERIES = queries("loadtests.benchmarks", "backlog.sql")
QUEUE = "rtp-alerts.fifo"
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
    with EmbeddedStack(durable=False) as stack:
        os.environ |= stack.addresses.environ(queue=QUEUE)
        with closing(connect(stack.addresses.postgres_dsn, role="backlog")) as connection:
            _prepare(connection)
            with (
                _consumer(),
                redis_client(stack.addresses.redis_url) as client,
            ):
                alone = _measure_live(connection, client)
                events = _make_backlog(connection, arguments.events)
                behind = _measure_behind(connection, client, events, arguments.seconds)
        figures = {"events": events, **alone, **behind}
    if arguments.json:
        print(json.dumps(figures))
    else:
        Console().print("\n".join(f"{name:<52} {value:>12,}" for name, value in figures.items()))
    sys.exit(figures["most MB of rtp"] > MOST_MEGABYTES)


def _prepare(connection: psycopg.Connection) -> None:
    settings = load_settings(None, environ=os.environ, options={})
    create_queue(sqs_client(settings.sqs), QUEUE)
    create_tables(connection)
    apply(connection, plan_installation(connection, settings))
    connection.execute(_QUERIES["entities"], [ENTITIES])
    connection.execute(_QUERIES["live_entity"])


def _make_backlog(connection: psycopg.Connection, events: int) -> int:
    rounds = max(1, events // ENTITIES)
    for number in range(rounds):
        connection.execute(_QUERIES["change_all"], ["1.02" if number % 2 else "0.97"])
        if number % 10 == 9:
            _err.print(f"backlog: {(number + 1) * ENTITIES:,} events")
    return rounds * ENTITIES


def _measure_live(connection: psycopg.Connection, client: redis.Redis) -> dict[str, float]:
    with _rtp() as process:
        memory = _Memory(process.pid)
        latencies = sorted(_live(connection, client, memory))
    return {"MB of rtp without a backlog": memory.megabytes, **_percentiles("without a backlog", latencies)}


def _measure_behind(
    connection: psycopg.Connection, client: redis.Redis, events: int, most_seconds: float
) -> dict[str, float]:
    before = _in_stream(client)
    with _rtp() as process:
        memory = _Memory(process.pid)
        while (first := _in_stream(client)) == before:
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
            figures["SQS: events behind before the live ones"] = _lag(connection, "sqs")
            latencies = sorted(_live(connection, client, memory))
            figures["SQS: events behind after the live ones"] = _lag(connection, "sqs")
            figures |= _percentiles("while SQS catches up", latencies)
        memory.look()
    return {"most MB of rtp": memory.most_megabytes(), **figures}


def _percentiles(when: str, latencies: list[float]) -> dict[str, float]:
    return {
        f"live to pub/sub {when}, p50, ms": round(latencies[len(latencies) // 2] * 1000, 2),
        f"live to pub/sub {when}, p99, ms": round(latencies[int(len(latencies) * 0.99)] * 1000, 2),
    }


@contextmanager
def _consumer() -> Iterator[None]:
    stopping = threading.Event()
    consumer = threading.Thread(target=_consume, args=(stopping,))
    consumer.start()
    try:
        yield
    finally:
        stopping.set()
        consumer.join()


@contextmanager
def _rtp() -> Iterator[subprocess.Popen[bytes]]:
    # One that is killed leaves no temporary folder behind: the default settings, as they are.
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(default_path().read_text(encoding="utf-8"))
        file.flush()
        command = [sys.executable, "-m", "cli", "run", "--json", "--config", file.name]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


class _Memory:
    """A process's resident memory; the kernel remembers its peak."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.megabytes = 0.0
        self._most = 0.0

    def look(self) -> None:
        lines = dict(line.split(":", 1) for line in self._status.read_text(encoding="ascii").splitlines())
        self.megabytes = round(int(lines["VmRSS"].split()[0]) / 1024, 1)
        self._most = max(self._most, int(lines["VmHWM"].split()[0]) / 1024)

    def most_megabytes(self) -> float:
        return round(self._most, 1)


def _live(connection: psycopg.Connection, client: redis.Redis, memory: _Memory) -> list[float]:
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


def _consume(stopping: threading.Event) -> None:
    client = boto3.client("sqs", endpoint_url=os.environ["RTP_SQS_ENDPOINT_URL"])
    url = client.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    while not stopping.is_set():
        messages = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        if messages:
            entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)]
            client.delete_message_batch(QueueUrl=url, Entries=entries)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
