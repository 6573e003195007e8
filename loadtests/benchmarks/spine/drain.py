"""How fast a backlog goes out: into Redis (cache, pub/sub and stream), and to SQS beside a bare boto3 loop."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import redis

from loadtests.benchmarks.spine.receivers import Receivers, consume
from loadtests.benchmarks.watched_demo import without_queue, without_redis
from rtp_client.keys import STREAM
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    import multiprocessing as mp
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event as Flag

    from core.stack import StackAddresses
    from loadtests.benchmarks.watched_demo import WatchedDemo

_REDIS_BACKLOG = 100_000
_ALERTS = 5_000  # the endpoint slows down with many unread ones
_CONSUMERS = 2
_BODY_BYTES = 700  # about an event's
_DEADLINE_SECONDS = 120


def measure_redis_drain(demo: WatchedDemo) -> int:
    """Events a second by one rtp process, from the first entry of the stream to the last."""
    only_redis = without_queue(demo.settings)
    with redis_client(demo.addresses.redis_url) as client:
        client.xadd(STREAM, {"sequence": "0", "event": "{}"})
        with demo.rtp(only_redis, "--until-idle") as rtp:
            rtp.wait_until_it_ends(_DEADLINE_SECONDS)
        demo.change_all(_REDIS_BACKLOG // demo.entities)
        before = _entries(client)
        with demo.rtp(only_redis):
            started = _wait_for_entries(client, before + 1)
            ended = _wait_for_entries(client, before + _REDIS_BACKLOG)
    return round(_REDIS_BACKLOG / (ended - started))


def measure_sqs_drain(demo: WatchedDemo) -> dict[str, Any]:
    """Alerts a second, from the first to the last that consumers receive; the boto3 loop sends as many, alike."""
    demo.change_all(_ALERTS // demo.entities)
    receivers = _consumers(demo)
    with demo.rtp(without_redis(demo.settings)):
        alerts = _rate(receivers)
    receivers.latencies()
    receivers = _consumers(demo)
    receivers.start("bare", _send, demo.addresses, demo.queue_url, demo.entities)
    bare = _rate(receivers)
    receivers.latencies()
    return {"alerts_per_second": alerts, "bare_boto3_per_second": bare, "of_bare_boto3": round(alerts / bare, 2)}


def _consumers(demo: WatchedDemo) -> Receivers:
    receivers = Receivers()
    receivers.start("sqs", consume, demo.addresses, demo.queue_url, processes=_CONSUMERS)
    return receivers


def _rate(receivers: Receivers) -> int:
    started = receivers.wait_for("sqs", 1)
    return round(_ALERTS / (receivers.wait_for("sqs", _ALERTS) - started))


def _send(
    name: str,
    addresses: StackAddresses,
    queue_url: str,
    entities: int,
    count: Synchronized[int],
    stop: Flag,
    results: mp.Queue[Any],
) -> None:
    """What is left where everything but boto3 is taken away: messages made beforehand, ten at a time."""
    client = boto3.client(
        "sqs",
        endpoint_url=addresses.sqs_endpoint_url,
        region_name=addresses.aws_region,
        aws_access_key_id=addresses.aws_access_key_id,
        aws_secret_access_key=addresses.aws_secret_access_key,
    )
    now = datetime.now(UTC).isoformat()
    body = json.dumps({"data": {"changed_at": now, "padding": "x" * _BODY_BYTES}})
    results.put("ready")
    for first in range(0, _ALERTS, 10):
        entries: list[Any] = [
            {"Id": str(n), "MessageBody": body, "MessageGroupId": f"p{n % entities}", "MessageDeduplicationId": str(n)}
            for n in range(first, first + 10)
        ]
        client.send_message_batch(QueueUrl=queue_url, Entries=entries)
        count.value += 10
    stop.wait()
    results.put((name, []))


def _entries(client: redis.Redis) -> int:
    return int(client.xinfo_stream(STREAM)["entries-added"])


def _wait_for_entries(client: redis.Redis, number: int) -> float:
    deadline = time.perf_counter() + _DEADLINE_SECONDS
    while _entries(client) < number:
        if time.perf_counter() > deadline:
            raise SystemExit(f"the stream did not reach {number} entries within {_DEADLINE_SECONDS} s")
        time.sleep(0.02)
    return time.perf_counter()
