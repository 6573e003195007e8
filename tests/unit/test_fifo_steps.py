"""The steps of the embedded SQS endpoint that rtp replaces do what the endpoint's own do."""

from __future__ import annotations

import asyncio
import json
import time
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ministack.services import sqs

from core.stack.fifo_steps import FAST, SLOW, Steps, use

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEPT_SECONDS = 60
Act = tuple[str, int, int]

seconds = st.lists(st.integers(-300, 300).filter(bool), max_size=20)
# Mostly receives: what one leaves behind shows in those that follow.
verbs = st.sampled_from(["send", "send", "receive", "receive", "receive", "receive", "delete", "purge"])
acts = st.lists(st.tuples(verbs, st.integers(0, 3), st.integers(1, 4)), min_size=6, max_size=20)


@pytest.fixture(autouse=True)
def _its_own_steps() -> Iterator[None]:
    yield
    use(SLOW)


@given(seconds)
def test_it_forgets_what_the_endpoints_own_step_forgets(seconds_left: list[int]) -> None:
    now = time.time()
    noted = {f"id-{number}": {"expire": now + left} for number, left in enumerate(sorted(seconds_left))}
    ours: dict[str, Any] = {"dedup_cache": deepcopy(noted)}
    its_own: dict[str, Any] = {"dedup_cache": deepcopy(noted)}
    FAST.forget_expired(ours)
    SLOW.forget_expired(its_own)
    assert ours == its_own


@given(seconds, st.booleans())
def test_it_drops_what_the_endpoints_own_step_drops(seconds_left: list[int], is_fifo: bool) -> None:
    sent = [{"sent_at": time.time() - KEPT_SECONDS + left} for left in sorted(seconds_left)]
    attributes = {"MessageRetentionPeriod": str(KEPT_SECONDS)}
    ours: dict[str, Any] = {"is_fifo": is_fifo, "attributes": attributes, "messages": list(sent)}
    its_own = {**ours, "messages": list(sent)}
    FAST.expire(ours)
    SLOW.expire(its_own)
    assert ours == its_own


@given(acts)
def test_a_queue_answers_as_with_the_endpoints_own_steps(chosen: list[Act]) -> None:
    assert asyncio.run(answers(FAST, chosen)) == asyncio.run(answers(SLOW, chosen))


async def answers(steps: Steps, chosen: Sequence[Act]) -> list[Any]:
    """What a new queue, and its dead letter queue, answer to some acts; both are removed afterwards."""
    use(steps)
    dead = (await ask("CreateQueue", QueueName="dead.fifo"))["QueueUrl"]
    arn = (await ask("GetQueueAttributes", QueueUrl=dead))["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    attributes = {"RedrivePolicy": policy, "ContentBasedDeduplication": "true"}
    url = (await ask("CreateQueue", QueueName="alerts.fifo", Attributes=attributes))["QueueUrl"]
    handles: list[str] = []
    found = [await answer(act, number, url if number % 3 else dead, url, handles) for number, act in enumerate(chosen)]
    left = [await ask("GetQueueAttributes", QueueUrl=queue) for queue in (url, dead)]
    counts = [[v for k, v in one["Attributes"].items() if k.startswith("Approximate")] for one in left]
    for queue in (url, dead):
        await ask("DeleteQueue", QueueUrl=queue)
    return [*found, counts]


async def answer(act: Act, number: int, from_queue: str, url: str, handles: list[str]) -> Any:
    """Do one act; the part of the answer that must be the same."""
    what, which, many = act
    if what == "send":
        group = {"QueueUrl": url, "MessageGroupId": f"group {which % 2}"}
        for one in range(many):
            await ask("SendMessage", MessageBody=f"{number}-{one}", **group)
        return None
    if what == "purge":
        return await ask("PurgeQueue", QueueUrl=url) if which == many == 3 else None
    if what == "receive":
        options = {"MaxNumberOfMessages": many, "VisibilityTimeout": 0 if which == 0 else 30}
        messages = (await ask("ReceiveMessage", QueueUrl=from_queue, **options)).get("Messages", [])
        handles += [message["ReceiptHandle"] for message in messages]
        return [message["Body"] for message in messages]
    chosen = [*handles[which : which + many], *handles[which : which + 1], "none of them"]
    entries = [{"Id": str(place), "ReceiptHandle": handle} for place, handle in enumerate(chosen)]
    return await ask("DeleteMessageBatch", QueueUrl=from_queue, Entries=entries)


async def ask(action: str, **request: Any) -> Any:
    """Ask the endpoint, in this process."""
    target = {"x-amz-target": f"AmazonSQS.{action}"}
    status, _, body = await sqs.handle_request("POST", "/", target, json.dumps(request).encode(), {})
    assert status == 200, body
    return json.loads(body)
