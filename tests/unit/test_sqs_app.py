"""The embedded SQS endpoint's short way answers what ministack's own way answers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from ministack.app import app

from core.stack.sqs_app import sqs_app

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

KEY = "Credential=210987654321/20260101/eu-west-1/sqs/aws4_request"
Answer = tuple[int, str, Any]


async def ask(way: Callable[..., Coroutine[Any, Any, None]], action: str, **request: Any) -> Answer:
    """Status, content type and document of an answer."""
    sent: list[dict[str, Any]] = []
    body = json.dumps(request).encode()
    parts = [
        {"type": "http.request", "body": body[:2], "more_body": True},
        {"type": "http.request", "body": body[2:], "more_body": False},
    ]
    headers = {"x-amz-target": f"AmazonSQS.{action}", "authorization": f"AWS4-HMAC-SHA256 {KEY}"}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": encoded}

    async def receive() -> dict[str, Any]:
        return parts.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await way(scope, receive, send)
    answered = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    assert int(answered["content-length"]) == len(sent[1]["body"])
    return sent[0]["status"], answered["content-type"], json.loads(sent[1]["body"])


@pytest.mark.parametrize(
    ("action", "request_"),
    [
        ("CreateQueue", {"QueueName": "short.fifo"}),
        ("GetQueueUrl", {"QueueName": "short.fifo"}),
        ("GetQueueUrl", {"QueueName": "nobody-has-it"}),
        ("SendMessage", {"QueueUrl": "short.fifo", "MessageBody": "without a group"}),
        ("ReceiveMessage", {"QueueUrl": "short.fifo", "MaxNumberOfMessages": 11}),
        ("Dance", {}),
    ],
)
def test_both_ways_answer_the_same(action: str, request_: dict[str, Any]) -> None:
    asyncio.run(ask(app, "CreateQueue", QueueName="short.fifo"))
    assert asyncio.run(ask(sqs_app, action, **request_)) == asyncio.run(ask(app, action, **request_))


def test_the_queue_belongs_to_the_account_and_the_region_of_the_request() -> None:
    _, _, created = asyncio.run(ask(sqs_app, "CreateQueue", QueueName="mine.fifo"))
    _, _, found = asyncio.run(ask(app, "GetQueueAttributes", QueueUrl=created["QueueUrl"]))
    assert found["Attributes"]["QueueArn"] == "arn:aws:sqs:eu-west-1:210987654321:mine.fifo"
