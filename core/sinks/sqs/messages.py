"""Events as messages, in batches within SQS's bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtp_client.keys import sqs_group_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

    from rtp_client.event import Event

# Amazon SQS message quotas: a batch is at most 10 messages and 1 MiB in all, a message at most 1 MiB.
BATCH_MESSAGES = 10
BATCH_BYTES = 1_048_576


def in_batches(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Batches within SQS's bounds, each with at most one event of a partition key.

    SQS accepts or refuses each entry of a batch by itself: two events of one group in one batch could leave the second
    in the queue without the first, and nothing sent can be taken back.
    """
    waiting = list(events)
    while waiting:
        batch: list[Event] = []
        later: list[Event] = []
        groups: set[str] = set()
        size = 0
        for event in waiting:
            is_next = len(batch) < BATCH_MESSAGES and event.partitionkey not in groups
            if is_next and size + (its_size := message_size(event)) <= BATCH_BYTES:
                batch.append(event)
                size += its_size
            else:
                later.append(event)
            groups.add(event.partitionkey)
        yield batch
        waiting = later


def batch_entry(entry_id: str, event: Event) -> SendMessageBatchRequestEntryTypeDef:
    """An event as an entry of a batch: group = partition key, deduplication id = event id."""
    entry: SendMessageBatchRequestEntryTypeDef = {
        "Id": entry_id,
        "MessageBody": _body(event).decode(),
        "MessageGroupId": sqs_group_id(event.partitionkey),
        "MessageDeduplicationId": event.id,
    }
    if trace := _trace(event):
        entry["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": value} for name, value in trace.items()
        }
    return entry


def _trace(event: Event) -> dict[str, str]:
    """The trace context once more as message attributes: where consumers' OpenTelemetry looks for it."""
    if event.traceparent is None:
        return {}
    return {"traceparent": event.traceparent} | ({"tracestate": event.tracestate} if event.tracestate else {})


def message_size(event: Event) -> int:
    """What SQS counts: the body, and each attribute's name, type and value."""
    return len(_body(event)) + sum(len(f"{name}String{value}") for name, value in _trace(event).items())


def _body(event: Event) -> bytes:
    # SQS takes all of Unicode but U+FFFE and U+FFFF, which JSON can write in ASCII.
    return event.json_bytes.replace(b"\xef\xbf\xbe", rb"\ufffe").replace(b"\xef\xbf\xbf", rb"\uffff")
