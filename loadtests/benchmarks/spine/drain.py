"""How fast a backlog goes out: into Redis (cache, pub/sub and stream), and to SQS beside a bare boto3 loop."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
import redis

from core.settings.models import postgres_dsn
from loadtests.benchmarks.spine.place import ENTITIES, QUERIES
from loadtests.benchmarks.spine.processes import Receivers, consume, rtp
from rtp_client.keys import STREAM
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    import multiprocessing as mp
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event as Flag

    from core.settings.models import Settings

_REDIS_BACKLOG = 100_000
_ALERTS = 5_000  # the endpoint slows down with many unread ones
_CONSUMERS = 2
_BODY_BYTES = 700  # about an event's
_DEADLINE_SECONDS = 120


def measure_redis_drain(settings: Settings) -> int:
    """Events a second by one rtp process, from the first entry of the stream to the last."""
    assert settings.redis.url is not None
    with redis_client(settings.redis.url) as client:
        client.xadd(STREAM, {"sequence": "0", "event": "{}"})
        only_redis = settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"queue": None})})
        with rtp(only_redis, "--until-idle") as process:
            process.wait()
        _write_backlog(settings, _REDIS_BACKLOG)
        before = _entries(client)
        with rtp(only_redis):
            started = _wait_for_entries(client, before + 1)
            ended = _wait_for_entries(client, before + _REDIS_BACKLOG)
    return round(_REDIS_BACKLOG / (ended - started))


def measure_sqs_drain(settings: Settings) -> dict[str, Any]:
    """Alerts a second, from the first to the last that consumers receive; the boto3 loop sends as many, alike."""
    only_sqs = settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": None})})
    _write_backlog(settings, _ALERTS)
    receivers = _consumers(settings)
    with rtp(only_sqs):
        alerts = _rate(receivers)
    receivers.latencies()
    receivers = _consumers(settings)
    receivers.start("bare", _send, settings)
    bare = _rate(receivers)
    receivers.latencies()
    return {"alerts_per_second": alerts, "bare_boto3_per_second": bare, "of_bare_boto3": round(alerts / bare, 2)}


def _consumers(settings: Settings) -> Receivers:
    receivers = Receivers()
    receivers.start("sqs", consume, settings, processes=_CONSUMERS)
    return receivers


def _rate(receivers: Receivers) -> int:
    started = receivers.wait_for("sqs", 1)
    return round(_ALERTS / (receivers.wait_for("sqs", _ALERTS) - started))


def _send(name: str, settings: Settings, count: Synchronized[int], stop: Flag, results: mp.Queue[Any]) -> None:
    """What is left where everything but boto3 is taken away: messages made beforehand, ten at a time."""
    client = boto3.client("sqs", endpoint_url=settings.sqs.endpoint_url)
    url = client.get_queue_url(QueueName=settings.sqs.queue or "")["QueueUrl"]
    now = datetime.now(UTC).isoformat()
    body = json.dumps({"data": {"changed_at": now, "padding": "x" * _BODY_BYTES}})
    results.put("ready")
    for first in range(0, _ALERTS, 10):
        entries: list[Any] = [
            {"Id": str(n), "MessageBody": body, "MessageGroupId": f"p{n % ENTITIES}", "MessageDeduplicationId": str(n)}
            for n in range(first, first + 10)
        ]
        client.send_message_batch(QueueUrl=url, Entries=entries)
        count.value += 10
    stop.wait()
    results.put((name, []))


def _write_backlog(settings: Settings, events: int) -> None:
    with psycopg.connect(postgres_dsn(settings), autocommit=True) as connection:
        for _ in range(events // ENTITIES):
            connection.execute(QUERIES["update_all"])


def _entries(client: redis.Redis) -> int:
    return int(client.xinfo_stream(STREAM)["entries-added"])


def _wait_for_entries(client: redis.Redis, number: int) -> float:
    deadline = time.perf_counter() + _DEADLINE_SECONDS
    while _entries(client) < number:
        if time.perf_counter() > deadline:
            raise SystemExit(f"the stream did not reach {number} entries within {_DEADLINE_SECONDS} s")
        time.sleep(0.02)
    return time.perf_counter()
