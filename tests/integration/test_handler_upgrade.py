"""What an earlier version of rtp left in Redis: alerts within the baselines, which neither version sends twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from core.handler.build import build_processor
from core.kinds import SHIPPED
from core.settings.routes import route_model
from tests.dynamodb import Table, published, put
from tests.queue_drain import drain_events

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from mypy_boto3_sqs import SQSClient

    from core.settings.models import Settings
    from tests.conftest import SqsQueue

LIDO = "rtp:baseline:tvl:ethereum:lido"


@pytest.fixture
def left_over(aws: Settings, tvl: Table, store: redis.Redis) -> list[Any]:
    """Two alerts of an entity that SQS had not got when the earlier version ended."""
    nowhere = aws.model_copy(update={"sqs": aws.sqs.model_copy(update={"queue": None})})
    build_processor(nowhere).process([put(tvl, value) for value in ("1", "2", "4")])
    events = published(store)
    store.hset(LIDO, "pending", json.dumps([json.dumps(event) for event in events]))
    store.zadd("rtp:baselines:unsent", {LIDO: 1_700_000_000_000_000})
    return events


def test_a_tick_sends_them_to_each_queue_that_takes_them(
    aws: Settings, left_over: list[Any], store: redis.Redis, received: Callable[[], list[Any]]
) -> None:
    outcome = build_processor(aws).tick()
    assert received() == left_over
    assert (outcome.pending, store.hmget(LIDO, "pending", "unsent")) == ([], [None, None])
    assert store.exists("rtp:baselines:unsent") == 0


def test_they_go_before_what_the_next_batch_tells_of_their_entity(
    aws: Settings, tvl: Table, left_over: list[Any], received: Callable[[], list[Any]]
) -> None:
    build_processor(aws).process([put(tvl, "8")])
    assert [alert["data"]["current"] for alert in received()] == ["2", "4", "8"]


def test_they_wait_for_a_queue_that_is_missing_with_the_age_that_they_have(
    aws: Settings, left_over: list[Any], sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    name = f"late-{sqs_queue.name}"
    routes = (route_model(SHIPPED).model_validate({"match": {"protocol": "lido"}, "queue": name}),)
    settings = aws.model_copy(update={"routes": routes})
    (waiting,) = build_processor(settings).tick().pending
    assert (waiting.queue, waiting.alerts, waiting.oldest_at.year) == (name, 2, 2023)
    url = sqs_client.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    assert build_processor(settings).tick().pending == []
    assert drain_events(sqs_client, url) == left_over
    sqs_client.delete_queue(QueueUrl=url)


def test_what_no_queue_takes_any_more_becomes_a_dead_letter(
    aws: Settings, left_over: list[Any], store: redis.Redis
) -> None:
    nowhere = aws.model_copy(update={"sqs": aws.sqs.model_copy(update={"queue": None})})
    build_processor(nowhere).tick()
    letters = [json.loads(letter) for letter in store.lrange("rtp:dead-letters", 0, -1)]
    assert [json.loads(letter["event"]) for letter in reversed(letters)] == left_over


def test_the_earlier_version_cannot_move_a_baseline_whose_alerts_were_carried_over_meanwhile(
    aws: Settings, left_over: list[Any], store: redis.Redis
) -> None:
    read = store.hget(LIDO, "version")
    build_processor(aws).tick()
    assert store.hget(LIDO, "version") != read
