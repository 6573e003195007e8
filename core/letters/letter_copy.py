"""A dead letter as a message: the event, with attributes that say what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rtp_client.event import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

    from core.services.dead_letter_queue import DeadLetterQueue

    Attributes = dict[str, MessageAttributeValueTypeDef]

LETTER_ATTRIBUTE = "rtp_letter"
"""Marks a copy of a letter of rtp's own: `<log id>/<letter's id>`."""

_LONGEST_ERROR = 200
# What text is cut to, in turn, until the message fits: an event has about 20 texts.
_LONGEST_TEXTS = (1000, 100, 10)


@dataclass(frozen=True)
class LetterCopy:
    """What a letter's copy tells. `mark` is unique to the letter, `group` its event's partition key."""

    mark: str
    group: str
    sink: str
    event_id: str
    event: dict[str, Any]
    error: str
    attempts: int
    first_attempt_at: datetime
    last_attempt_at: datetime

    @property
    def deduplication_id(self) -> str:
        """The same however often the copy is sent."""
        return f"letter-{self.mark.replace('/', '-')}"

    def send(self, queue: DeadLetterQueue) -> None:
        """Put the copy there. Raises SinkUnavailable."""
        body, attributes = self.message(queue.largest_bytes)
        queue.send(body, attributes, partition_key=self.group, deduplication_id=self.deduplication_id)

    def message(self, largest_bytes: int) -> tuple[str, Attributes]:
        """Body and attributes, together no larger than that; what does not fit is shortened, and `note` says so."""
        attributes: Attributes = {
            "sink": _attribute(self.sink),
            "event_id": _attribute(self.event_id),
            "error": _attribute(self.error[:_LONGEST_ERROR]),
            "attempts": {"DataType": "Number", "StringValue": str(self.attempts)},
            "first_attempt_at": _attribute(format_time(self.first_attempt_at)),
            "last_attempt_at": _attribute(format_time(self.last_attempt_at)),
        }
        # 200 bytes are enough for the mark and for the attributes' types.
        room = largest_bytes - 200 - sum(len(name) + len(value["StringValue"]) for name, value in attributes.items())
        attributes[LETTER_ATTRIBUTE] = _attribute(self.mark)
        whole = json.dumps(self.event)  # in ASCII: SQS does not take all of Unicode
        if len(whole) <= room:
            return whole, attributes
        note = f"shortened, the event has {len(whole)} bytes: rtp dlq show {self.mark.rpartition('/')[2]}"
        attributes["note"] = _attribute(note)
        return self._shortened(room - len(note) - 10), attributes

    def _shortened(self, room: int) -> str:
        for longest in _LONGEST_TEXTS:
            body = json.dumps(_cut(self.event, longest))
            if len(body) <= room:
                return body
        return json.dumps({"id": self.event_id})


def _cut(value: Any, longest: int) -> Any:
    """The same shape with long texts cut, and without what a metadata event lists field by field."""
    if isinstance(value, dict):
        return {name: None if name == "fields" else _cut(inner, longest) for name, inner in value.items()}
    if isinstance(value, str) and len(value) > longest:
        return f"{value[:longest]}…"
    return value


def _attribute(text: str) -> MessageAttributeValueTypeDef:
    # Not empty, and nothing that SQS could refuse: the copy is what alarms go by.
    plain = "".join(c if " " <= c <= "~" else "?" for c in text)
    return {"DataType": "String", "StringValue": plain or "-"}
