"""The processes around a measurement: rtp, the writer, who receives; and what they found, as percentiles."""

from __future__ import annotations

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

from core.services.sqs_client import sqs_client
from core.settings.models import postgres_dsn
from loadtests.benchmarks.overhead import pgbench
from loadtests.benchmarks.spine.place import ENTITIES, QUERIES
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.context import SpawnProcess
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event as Flag

    from core.settings.models import Settings

_CLIENTS = 8
_LAST_SECONDS = 60


@contextmanager
def rtp(settings: Settings, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """`rtp run` with these settings; what they leave out, it does without."""
    environ = dict(os.environ) | {"RTP_REDIS_URL": settings.redis.url or "", "RTP_SQS_QUEUE": settings.sqs.queue or ""}
    document = settings.model_dump(mode="json", exclude_none=True)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(document, file)
        file.flush()
        command = [sys.executable, "-m", "cli", "run", "--config", file.name, *options]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environ)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=_LAST_SECONDS)
    if process.returncode != 0:
        raise SystemExit(f"rtp run ended with exit code {process.returncode}: {said.decode()[-500:]}")


def write(settings: Settings, query: str, rate: int, seconds: int) -> int:
    """Have pgbench run a query of `writes.sql` at a rate; how often it did."""
    script = f"\\set k random(1, {ENTITIES})\n{QUERIES[query].decode()};\n"
    command = [str(pgbench(None)), "-n", "-M", "prepared", "-f", "/dev/stdin", "-c", str(_CLIENTS), "-j", "2"]
    command += ["-R", str(rate), "-T", str(seconds), postgres_dsn(settings)]
    output = subprocess.run(command, input=script, capture_output=True, text=True, check=True).stdout
    done = next(line for line in output.splitlines() if "actually processed" in line)
    return int(done.split(":")[1].split("/")[0])


class Receivers:
    """Subscribers and consumers in processes of their own: started when made, told to stop by `latencies`."""

    def __init__(self) -> None:
        self._context = mp.get_context("spawn")
        self._stop, self._results = self._context.Event(), self._context.Queue()
        self._counts: dict[str, Synchronized[int]] = {}
        self._processes: list[SpawnProcess] = []

    def start(self, name: str, target: Callable[..., None], *arguments: Any, processes: int = 1) -> None:
        """Start some; they get the arguments, and then a counter, the sign to stop and where results go."""
        count = self._counts[name] = self._context.Value("i", 0)
        for _ in range(processes):
            process = self._context.Process(target=target, args=(name, *arguments, count, self._stop, self._results))
            process.start()
            self._processes.append(process)
            self._results.get(timeout=_LAST_SECONDS)  # it is ready

    @property
    def names(self) -> list[str]:
        """Who receives."""
        return list(self._counts)

    def wait_for(self, name: str, number: int) -> float:
        """Wait until they have received so many; the moment. Ends the program where they do not get them."""
        deadline = time.perf_counter() + _LAST_SECONDS
        while self._counts[name].value < number:
            if time.perf_counter() > deadline:
                raise SystemExit(f"{name}: only {self._counts[name].value} of {number} within {_LAST_SECONDS} s")
            time.sleep(0.01)
        return time.perf_counter()

    def latencies(self, since: float = 0) -> dict[str, list[float]]:
        """Stop them; how long events changed after `since` (Unix time) took to get to them, in seconds, sorted."""
        self._stop.set()
        found: dict[str, list[float]] = {}
        for _ in self._processes:
            name, receipts = self._results.get(timeout=_LAST_SECONDS)
            found.setdefault(name, []).extend(took for changed_at, took in receipts if changed_at >= since)
        for process in self._processes:
            process.join()
        return {name: sorted(latencies) for name, latencies in found.items()}


def subscribe(name: str, url: str, pattern: str, count: Synchronized[int], stop: Flag, results: mp.Queue[Any]) -> None:
    """Receive from Redis pub/sub."""
    receipts = []
    with (
        redis_client(url) as client,
        client.pubsub(ignore_subscribe_messages=True) as subscription,
    ):
        subscription.psubscribe(pattern)
        subscription.get_message(timeout=1)
        results.put("ready")
        while not stop.is_set():
            message = subscription.get_message(timeout=0.2)
            if message:
                receipts.append(_receipt(message["data"]))
                count.value = len(receipts)
    results.put((name, receipts))


def consume(name: str, settings: Settings, count: Synchronized[int], stop: Flag, results: mp.Queue[Any]) -> None:
    """Receive and delete alerts."""
    client = sqs_client(settings.sqs)
    url = client.get_queue_url(QueueName=settings.sqs.queue or "")["QueueUrl"]
    receipts: list[tuple[float, float]] = []
    results.put("ready")
    while not stop.is_set():
        messages = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        receipts += [_receipt(message["Body"]) for message in messages]
        with count.get_lock():
            count.value += len(messages)
        if messages:
            client.delete_message_batch(
                QueueUrl=url,
                Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)],
            )
    results.put((name, receipts))


def _receipt(document: bytes | str) -> tuple[float, float]:
    """When it changed, and how long ago that is."""
    received_at = time.time()
    changed_at = datetime.fromisoformat(json.loads(document)["data"]["changed_at"]).timestamp()
    return changed_at, received_at - changed_at


def percentiles(name: str, latencies: Sequence[float]) -> dict[str, float]:
    """Of sorted seconds, in milliseconds."""

    def at(share: float) -> float:
        return round(latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000, 2)

    return {f"{name}_p50_ms": at(0.5), f"{name}_p99_ms": at(0.99), f"{name}_max_ms": at(1.0)}
