"""A running rtp of which one service dies: the others get what is theirs, and that one later gets what it missed."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis

from core.services.postgres import connect
from core.settings.models import Settings, postgres_dsn
from rtp_client.keys import STREAM, cache_key, channel_pattern
from tests.eventually import eventually
from tests.rtp_process import RtpProcess, environ_of, rtp

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from core.stack import EmbeddedStack
    from tests.conftest import SqsQueue

PATIENT_SECONDS = 40
"""What a loaded machine may need for anything."""


@pytest.fixture
def running(settings: Settings, prompt_config: str, writer: psycopg.Connection) -> Iterator[RtpProcess]:
    """An rtp that has delivered the first change."""
    write(writer, 1)
    with rtp("run", "-c", prompt_config, "--json", environ=environ_of(settings)) as process:
        write(writer, 2)
        eventually(lambda: delivered(process) == [1, 1], within_seconds=PATIENT_SECONDS)
        yield process
        assert process.end(signal.SIGTERM) == 0


def delivered(process: RtpProcess) -> list[int]:
    return [sink["delivered"] for document in process.documents[-1:] for sink in document["sinks"]]


def write(connection: psycopg.Connection, *values: int) -> list[str]:
    for value in values:
        connection.execute(
            "INSERT INTO tvl VALUES ('ethereum', 'lido', %s, 'llama')"
            " ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd",
            [value],
        )
    return [str(value) for value in values]


def current(document: str) -> str:
    return str(json.loads(document)["data"]["current"])


def in_stream(settings: Settings) -> list[str]:
    with redis.Redis.from_url(str(settings.redis.url), decode_responses=True) as client:
        entries: Any = client.xrange(STREAM)
    return list(dict.fromkeys(current(fields["event"]) for _, fields in entries))


class Queue:
    """What has come out of the queue so far."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client, self._url = client, url
        self._values: list[str] = []

    def values(self) -> list[str]:
        found = self._client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            self._values.append(current(message["Body"]))
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return self._values


@pytest.fixture
def queue(sqs_client: SQSClient, sqs_queue: SqsQueue) -> Queue:
    return Queue(sqs_client, sqs_queue.url)


def test_alerts_flow_while_redis_is_down_and_the_cache_is_whole_when_it_is_back(
    running: RtpProcess, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, queue: Queue
) -> None:
    stack.redis.kill()  # with all it knew
    try:
        missed = write(writer, *range(3, 9))
        eventually(lambda: queue.values() == ["2", *missed], within_seconds=PATIENT_SECONDS)
    finally:
        stack.redis.start()
    eventually(lambda: in_stream(settings) == missed, within_seconds=PATIENT_SECONDS)
    with redis.Redis.from_url(str(settings.redis.url), decode_responses=True) as client:
        cached: Any = client.hget(cache_key("tvl", "ethereum", "lido"), "event")
    assert current(cached) == missed[-1]


def test_cache_and_channels_flow_while_sqs_is_down(
    running: RtpProcess, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, queue: Queue
) -> None:
    with (
        redis.Redis.from_url(str(settings.redis.url), decode_responses=True) as client,
        client.pubsub(ignore_subscribe_messages=True) as subscription,
    ):
        subscription.psubscribe(channel_pattern())
        subscription.get_message(timeout=5)
        stack.sqs.pause()
        try:
            missed = write(writer, *range(3, 9))
            published: list[str] = []

            def all_published() -> bool:
                if message := subscription.get_message(timeout=1):
                    published.append(current(message["data"]))
                return published == missed

            eventually(all_published, within_seconds=PATIENT_SECONDS)
            cached: Any = client.hget(cache_key("tvl", "ethereum", "lido"), "event")
            assert current(cached) == missed[-1]
        finally:
            stack.sqs.resume()
    eventually(lambda: queue.values() == ["2", *missed], within_seconds=PATIENT_SECONDS)


def test_rtp_waits_for_postgresql_and_goes_on(
    running: RtpProcess, settings: Settings, stack: EmbeddedStack, queue: Queue
) -> None:
    stack.postgres.stop()
    try:
        running.wait_for("PostgreSQL at ", within_seconds=PATIENT_SECONDS)
    finally:
        stack.postgres.start()
    with connect(postgres_dsn(settings), role="test") as writer:
        missed = write(writer, *range(3, 9))
        eventually(lambda: in_stream(settings) == ["2", *missed], within_seconds=PATIENT_SECONDS)
        eventually(lambda: queue.values() == ["2", *missed], within_seconds=PATIENT_SECONDS)
