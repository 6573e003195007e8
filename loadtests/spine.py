"""How fast is the spine: update to pub/sub, update to SQS, and the drain of a backlog. `make bench` runs it.

Everything runs on this machine, on the embedded stack: rtp as its own process, the writer, the subscriber and the
SQS consumers in others. Latency is taken from the update's own clock, clock_timestamp() in the UPDATE statement,
at a fixed schedule: a late update does not push the next ones back (no coordinated omission).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
import redis

from core.demo.queue import create_queue
from core.demo.tables import create_tables
from core.keys import STREAM
from core.settings.file import load_settings
from core.sinks.sqs import sqs_client
from core.stack import EmbeddedStack, StackAddresses
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event as Flag

    from core.settings.models import Settings

QUEUE = "rtp-alerts.fifo"
ENTITIES = 1000
UPDATE = "UPDATE tvl SET tvl_usd = tvl_usd * %s, updated_at = clock_timestamp() WHERE chain = 'bench' AND protocol = %s"
BACKLOG = 100_000


def main() -> None:
    """Measure and print; `--json` for scripts."""
    parser = argparse.ArgumentParser(description="Measure the spine on the embedded stack.")
    parser.add_argument("--rate", type=int, default=1000, help="significant updates per second (default 1000)")
    parser.add_argument("--seconds", type=int, default=30, help="for how long (default 30)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    with EmbeddedStack() as stack:
        settings = _prepare(stack.addresses)
        figures = _measure_latency(settings, stack.addresses, arguments.rate, arguments.seconds)
        figures["drained_per_second"] = _measure_drain(settings, stack.addresses)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:32} {value}")


def _prepare(addresses: StackAddresses) -> Settings:
    os.environ |= {
        "AWS_ACCESS_KEY_ID": addresses.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": addresses.aws_secret_access_key,
        "AWS_DEFAULT_REGION": addresses.aws_region,
        "RTP_POSTGRES_DSN": addresses.postgres_dsn,
        "RTP_REDIS_URL": addresses.redis_url,
        "RTP_SQS_ENDPOINT_URL": addresses.sqs_endpoint_url,
        "RTP_SQS_QUEUE": QUEUE,
    }
    settings = load_settings(None, environ=os.environ, options={})
    create_queue(sqs_client(settings.sqs), QUEUE)
    with psycopg.connect(addresses.postgres_dsn, autocommit=True) as connection:
        create_tables(connection)
        connection.execute(
            "INSERT INTO tvl SELECT 'bench', 'p' || g, 1000, 'bench', now() FROM generate_series(1, %s) AS g",
            [ENTITIES],
        )
        apply(connection, plan_installation(connection, settings))
    return settings


@contextmanager
def _rtp(*options: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "cli", "run", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | environment)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _measure_latency(settings: Settings, addresses: StackAddresses, rate: int, seconds: int) -> dict[str, Any]:
    context = mp.get_context("spawn")
    stop, results, consumed = context.Event(), context.Queue(), context.Value("i", 0)
    readers = [
        context.Process(target=_subscribe, args=(addresses.redis_url, stop, results)),
        *(
            context.Process(target=_consume, args=(settings.sqs.endpoint_url, stop, results, consumed))
            for _ in range(2)
        ),
    ]
    with _rtp():
        for reader in readers:
            reader.start()
        for _ in readers:
            results.get(timeout=30)
        written, late = _write(addresses.postgres_dsn, rate, seconds)
        _wait_for_stream(addresses.redis_url, written)
        _wait_until_consumed(consumed, written)
        stop.set()
        received = [results.get(timeout=60) for _ in readers]
        for reader in readers:
            reader.join(30)
    published = next(latencies for name, latencies in received if name == "pubsub")
    queued = sorted(latency for name, latencies in received if name == "sqs" for latency in latencies)
    with psycopg.connect(addresses.postgres_dsn) as connection:
        logged = connection.execute("SELECT count(*) FROM rtp.event").fetchone()
    counts = {
        "written": written,
        "logged": logged[0] if logged else 0,
        "published": len(published),
        "queued": len(queued),
    }
    return {
        "rate": rate,
        "updates_over_1ms_late": late,
        **counts,
        **_percentiles("pubsub", published),
        **_percentiles("sqs", queued),
    }


def _write(dsn: str, rate: int, seconds: int) -> tuple[int, int]:
    late = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        started = time.perf_counter()
        for number in range(rate * seconds):
            due = started + number / rate
            wait = due - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            elif wait < -0.001:
                late += 1
            factor = "1.02" if number // ENTITIES % 2 == 0 else "0.97"
            connection.execute(UPDATE, (factor, f"p{number % ENTITIES + 1}"), prepare=True)
    return rate * seconds, late


def _age(document: dict[str, Any]) -> float:
    return time.time() - datetime.fromisoformat(document["data"]["changed_at"]).timestamp()


def _subscribe(url: str, stop: Flag, results: mp.Queue[Any]) -> None:
    latencies = []
    with redis.Redis.from_url(url) as client, client.pubsub(ignore_subscribe_messages=True) as subscription:
        subscription.psubscribe("rtp:events:*")
        results.put("ready")
        while not stop.is_set():
            message = subscription.get_message(timeout=0.2)
            if message:
                latencies.append(_age(json.loads(message["data"])))
    results.put(("pubsub", sorted(latencies)))


def _consume(endpoint_url: str, stop: Flag, results: mp.Queue[Any], consumed: Synchronized[int]) -> None:
    client = boto3.client("sqs", endpoint_url=endpoint_url)
    url = client.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    latencies = []
    results.put("ready")
    while not stop.is_set():
        messages = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        latencies += [_age(json.loads(message["Body"])) for message in messages]
        with consumed.get_lock():
            consumed.value += len(messages)
        if messages:
            client.delete_message_batch(
                QueueUrl=url,
                Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)],
            )
    results.put(("sqs", sorted(latencies)))


def _wait_for_stream(url: str, length: int, deadline_seconds: float = 60) -> float:
    deadline = time.perf_counter() + deadline_seconds
    with redis.Redis.from_url(url) as client:
        while time.perf_counter() < deadline:
            if client.xinfo_stream(STREAM)["entries-added"] >= length:
                return time.perf_counter()
            time.sleep(0.02)
    raise SystemExit(f"the stream did not reach {length} entries within {deadline_seconds} s")


def _wait_until_consumed(consumed: Synchronized[int], count: int, deadline_seconds: float = 60) -> None:
    deadline = time.perf_counter() + deadline_seconds
    while consumed.value < count and time.perf_counter() < deadline:
        time.sleep(0.05)


def _measure_drain(settings: Settings, addresses: StackAddresses) -> int:
    """A backlog of 100,000 events into cache, pub/sub and stream by one rtp process, from its first entry."""
    with psycopg.connect(addresses.postgres_dsn, autocommit=True) as connection:
        for step in range(BACKLOG // ENTITIES):
            connection.execute("UPDATE tvl SET tvl_usd = tvl_usd * %s", ["1.02" if step % 2 else "0.97"])
    with redis.Redis.from_url(addresses.redis_url) as client:
        before = client.xinfo_stream(STREAM)["entries-added"]
    without_alerts = settings.model_dump(mode="json", exclude_none=True)
    without_alerts["sqs"].pop("queue")
    with _config_file(without_alerts) as path, _rtp("--config", path, RTP_SQS_QUEUE=""):
        started = _wait_for_stream(addresses.redis_url, before + 1)
        ended = _wait_for_stream(addresses.redis_url, before + BACKLOG)
    return round(BACKLOG / (ended - started))


@contextmanager
def _config_file(document: dict[str, Any]) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(document, file)
        file.flush()
        yield file.name


def _percentiles(name: str, latencies: list[float]) -> dict[str, float]:
    def at(share: float) -> float:
        return round(latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000, 2)

    return {f"{name}_p50_ms": at(0.5), f"{name}_p99_ms": at(0.99), f"{name}_max_ms": at(1.0)}


if __name__ == "__main__":
    main()
