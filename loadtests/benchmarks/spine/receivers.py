"""Who receives, in processes of their own, and how long the events took to get there."""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.services.receiving_client import receiving_client
from core.settings.models import SqsSettings
from loadtests.shared.sqs_consumer import SqsConsumer
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import SpawnProcess
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event as Flag

    from core.stack import StackAddresses

_LAST_SECONDS = 60


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
    with redis_client(url) as client, client.pubsub(ignore_subscribe_messages=True) as subscription:
        subscription.psubscribe(pattern)
        subscription.get_message(timeout=1)
        results.put("ready")
        while not stop.is_set():
            message = subscription.get_message(timeout=0.2)
            if message:
                receipts.append(_receipt(message["data"], time.time()))
                count.value = len(receipts)
    results.put((name, receipts))


def consume(
    name: str,
    addresses: StackAddresses,
    queue_url: str,
    count: Synchronized[int],
    stop: Flag,
    results: mp.Queue[Any],
) -> None:
    """Receive and delete alerts."""
    receipts: list[tuple[float, float]] = []

    def take(body: str, received_at: float) -> None:
        receipts.append(_receipt(body, received_at))
        with count.get_lock():
            count.value += 1

    os.environ.update(addresses.environ(queue=""))  # the credentials; this process does nothing else
    settings = SqsSettings(endpoint_url=addresses.sqs_endpoint_url, region=addresses.aws_region)
    consumer = SqsConsumer([receiving_client(settings)], queue_url, take)
    consumer.start()
    results.put("ready")
    stop.wait()
    consumer.stop()
    results.put((name, receipts))


def _receipt(document: bytes | str, received_at: float) -> tuple[float, float]:
    """When it changed, and how long after that it came."""
    changed_at = datetime.fromisoformat(json.loads(document)["data"]["changed_at"]).timestamp()
    return changed_at, received_at - changed_at
