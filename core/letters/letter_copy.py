"""A copy of a dead letter for a dead letter queue: the event, with attributes that say what became of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rtp_client.event import format_time

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, MessageTypeDef

    from core.letters.letter import Letter
    from core.services.dead_letter_queue import DeadLetterQueue

    Attributes = dict[str, MessageAttributeValueTypeDef]

_MARK = "rtp_letter"
"""The attribute that names the letter: `<log id>/<letter's id>`."""

_LONGEST_ERROR = 200
# What text is cut to, in turn, until the message fits: an event has about 20 texts.
_LONGEST_TEXTS = (1000, 100, 10)


def send_copy(queue: DeadLetterQueue, letter: Letter, event: dict[str, Any], *, log_id: str) -> None:
    """Put a copy there; twice within five minutes is once. Raises SinkUnavailable."""
    body, attributes = _message(letter, event, log_id, queue.largest_bytes)
    deduplication_id = f"letter-{log_id}-{letter.id}"
    queue.send(body, attributes, partition_key=letter.group, deduplication_id=deduplication_id)


def copied_letter(message: MessageTypeDef, *, logs: Collection[str]) -> str | None:
    """The id of the letter of this log, by all its names, that a message is a copy of; None where it is none."""
    attributes = message.get("MessageAttributes", {})
    mark = attributes[_MARK].get("StringValue", "") if _MARK in attributes else ""
    of_log, _, letter_id = mark.partition("/")
    return letter_id if of_log in logs else None


def _message(letter: Letter, event: dict[str, Any], log_id: str, largest_bytes: int) -> tuple[str, Attributes]:
    """Body and attributes, together no larger than that; what does not fit is shortened, and `note` says so."""
    is_event = "specversion" in event  # else it is the row, as the log has it
    event_id = letter.event_id if is_event else f"{log_id}-{event['xid']}-{letter.sequence}"
    attributes: Attributes = {
        "sink": _attribute(letter.sink),
        "event_id": _attribute(event_id),
        "error": _attribute(letter.error[:_LONGEST_ERROR]),
        "attempts": {"DataType": "Number", "StringValue": str(letter.attempts)},
        "first_attempt_at": _time(letter.first_attempt_at),
        "last_attempt_at": _time(letter.last_attempt_at),
    }
    # 200 bytes are enough for the mark and for the attributes' types.
    room = largest_bytes - 200 - sum(len(name) + len(value["StringValue"]) for name, value in attributes.items())
    attributes[_MARK] = _attribute(f"{log_id}/{letter.id}")
    whole = json.dumps(event)  # in ASCII: SQS does not take all of Unicode
    if len(whole) <= room:
        return whole, attributes
    note = f"shortened, the event has {len(whole)} bytes: rtp dlq show {letter.id}"
    attributes["note"] = _attribute(note)
    return _shortened(event, event_id, room - len(note) - 10), attributes


def _shortened(event: dict[str, Any], event_id: str, room: int) -> str:
    for longest in _LONGEST_TEXTS:
        body = json.dumps(_cut(event, longest))
        if len(body) <= room:
            return body
    return json.dumps({"id": event_id})


def _cut(value: Any, longest: int) -> Any:
    """The same shape with long texts cut, and without what a metadata event lists field by field."""
    if isinstance(value, dict):
        return {name: None if name == "fields" else _cut(inner, longest) for name, inner in value.items()}
    if isinstance(value, str) and len(value) > longest:
        return f"{value[:longest]}…"
    return value


def _time(at: datetime | None) -> MessageAttributeValueTypeDef:
    return _attribute("" if at is None else format_time(at))


def _attribute(text: str) -> MessageAttributeValueTypeDef:
    # Not empty, and nothing that SQS could refuse: the copy is what alarms go by.
    plain = "".join(c if " " <= c <= "~" else "?" for c in text)
    return {"DataType": "String", "StringValue": plain or "-"}
