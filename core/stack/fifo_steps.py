"""Steps of ministack's FIFO queues that look at every message each time, done by looking at few of them.

A queue's messages are in the order of their sending. Those that were ever received are near its front: consumers take
from there and delete. So each queue remembers how far they reach. That bound stays true whatever else is done to the
queue: to remove messages only moves others forward, and new ones come to the end.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ministack.services import sqs

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Steps:
    """The steps in question."""

    forget_expired: Callable[[dict[str, Any]], None]
    expire: Callable[[dict[str, Any]], None]
    sweep: Callable[[dict[str, Any]], None]
    collect: Callable[[dict[str, Any], int, int, float], list[dict[str, Any]]]
    delete_batch: Callable[[dict[str, Any], str], dict[str, Any]]


# Ministack's own; the tests hold those below to them.
SLOW = Steps(sqs._prune_dedup, sqs._expire_retained, sqs._dlq_sweep, sqs._collect_fifo, sqs._act_delete_message_batch)
_REACH = "rtp_reach"
_INVALID_HANDLE = {
    "Code": "ReceiptHandleIsInvalid",
    "Message": "The input receipt handle is invalid.",
    "SenderFault": True,
}


def forget_expired(queue: dict[str, Any]) -> None:
    """Take the deduplication ids out whose time is over: those noted first, as all are kept for equally long.

    A plain dict finds its first key by passing the places of all that were deleted before it: at 1,000 messages a
    second, from the sixth minute on, that takes a hundred times as long as all else.
    """
    noted, now = queue["dedup_cache"], time.time()
    if not isinstance(noted, OrderedDict):
        noted = queue["dedup_cache"] = OrderedDict(noted)
    while noted and noted[first := next(iter(noted))]["expire"] <= now:
        del noted[first]


def expire(queue: dict[str, Any]) -> None:
    """Drop the messages that are older than the queue keeps them: none, unless the first one is."""
    if queue["is_fifo"] and queue["messages"]:
        front = queue | {"messages": queue["messages"][:1]}
        SLOW.expire(front)
        if front["messages"]:
            return
    SLOW.expire(queue)


def sweep(queue: dict[str, Any]) -> None:
    """Move what was received too often to the dead letter queue: nothing, unless something was received and is back."""
    now = time.time()
    if queue["is_fifo"] and not any(m["receive_count"] and m["visible_at"] <= now for m in _received(queue)):
        return
    SLOW.sweep(queue)
    for other in sqs._queues.values():
        other.pop(_REACH, None)  # what was moved comes to the end of another queue, and was received before


def collect(queue: dict[str, Any], most: int, visibility_seconds: int, now: float) -> list[dict[str, Any]]:
    """Take the first messages of the groups of which none is in flight."""
    in_flight, reach = set(), 0
    for position, message in enumerate(_received(queue)):
        if message["receive_count"] > 0:
            reach = position + 1
            if message["visible_at"] > now and message["group_id"]:
                in_flight.add(message["group_id"])
    taken: list[dict[str, Any]] = []
    for position, message in enumerate(queue["messages"]):
        if len(taken) >= most:
            break
        _complete(message)
        if message["visible_at"] > now or message["group_id"] in in_flight:
            continue
        message["receipt_handle"] = sqs.new_uuid()
        message["visible_at"] = now + visibility_seconds
        message["receive_count"] += 1
        if message["first_receive_at"] is None:
            message["first_receive_at"] = now
        taken.append(message)
        reach = max(reach, position + 1)
    queue[_REACH] = reach
    return taken


def delete_batch(data: dict[str, Any], url: str) -> dict[str, Any]:
    """Delete what was received, all entries in one pass."""
    queue = sqs._get_q(data.get("QueueUrl", url), "sqs:DeleteMessage")
    entries = data.get("Entries", [])
    sqs._validate_batch_entries(entries, "DeleteMessageBatchRequestEntry")
    wanted = {entry.get("ReceiptHandle", "") for entry in entries}
    received = _received(queue)
    deleted = {handle for message in received if (handle := message["receipt_handle"]) in wanted}
    queue["messages"][: len(received)] = [message for message in received if message["receipt_handle"] not in wanted]
    answer: dict[str, Any] = {"Successful": [], "Failed": []}
    for entry in entries:
        if (handle := entry.get("ReceiptHandle", "")) in deleted:
            deleted.remove(handle)
            answer["Successful"].append({"Id": entry.get("Id", "")})
        else:
            answer["Failed"].append(_INVALID_HANDLE | {"Id": entry.get("Id", "")})
    return answer


FAST = Steps(forget_expired, expire, sweep, collect, delete_batch)


def use(steps: Steps) -> None:
    """Have ministack take these."""
    sqs._prune_dedup = steps.forget_expired
    sqs._expire_retained = steps.expire
    sqs._dlq_sweep = steps.sweep
    sqs._collect_fifo = steps.collect
    sqs._HANDLERS["DeleteMessageBatch"] = steps.delete_batch


def _received(queue: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages among which are all that were ever received."""
    messages: list[dict[str, Any]] = queue["messages"][: queue.get(_REACH)]
    for message in messages:
        _complete(message)
    return messages


def _complete(message: dict[str, Any]) -> None:
    """Add what is missing where another service than SQS has sent it."""
    if "seq" not in message:
        sqs._ensure_msg_fields(message)
