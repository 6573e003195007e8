"""Events as messages, in batches within SQS's bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.sinks.groups import BatchForm
from rtp_client.keys import sqs_group_id

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

    from rtp_client.event import Event

# Amazon SQS message quotas: a batch is at most 10 messages and 1 MiB in all, a message at most 1 MiB.
BATCH_MESSAGES = 10
BATCH_BYTES = 1_048_576


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
    attributes = _trace(event)
    size = sum(len(f"{name}String{value}") for name, value in attributes.items()) if attributes else 0
    return size + len(_body(event))


def _body(event: Event) -> bytes:
    document = event.json_bytes
    # SQS takes all of Unicode but U+FFFE and U+FFFF, which JSON can write in ASCII.
    if b"\xef" in document:
        document = document.replace(b"\xef\xbf\xbe", rb"\ufffe").replace(b"\xef\xbf\xbf", rb"\uffff")
    return document


# SQS accepts or refuses each entry of a batch by itself, so a batch has one event of a group.
BATCH_FORM = BatchForm(most_events=BATCH_MESSAGES, most_of_a_group=1, most_bytes=BATCH_BYTES, size_of=message_size)
