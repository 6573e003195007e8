"""What a stream source could not do: a record, an event, an alert, or a whole batch that Lambda gave up."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from core.letters.letter import LetterOrigin, letter_of_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sqs.type_defs import MessageTypeDef

What = Literal["record", "event", "batch", "alert", "unknown"]


@dataclass(frozen=True)
class Failure:
    """One dead letter of a stream source.

    `record`: of a stream, that cannot be read. `event`: one that SQS can never take. `batch`: Lambda's description of
    the records that it gave up, which lie in the stream for 24 hours. `alert`: one that no consumer deleted, of `sink`.
    """

    id: str
    origin: LetterOrigin
    place: str
    what: What
    error: str
    newest_at: datetime | None
    sink: str | None = None
    stream_arn: str | None = None
    shard: str | None = None
    first_number: str | None = None
    last_number: str | None = None
    last_arrival: datetime | None = None
    records: int = 1
    keys: Mapping[str, Any] | None = None
    event_id: str | None = None
    kind: str | None = None
    chain: str | None = None
    entity: str | None = None

    @property
    def table(self) -> str | None:
        """The table of the stream."""
        return None if self.stream_arn is None else table_in(self.stream_arn)


def table_in(stream_arn: str) -> str | None:
    """The table that a stream's ARN `...:table/<table>/stream/<label>` names."""
    parts = stream_arn.split("/")
    return parts[1] if len(parts) > 1 else None


def failure_in_redis(body: str, place: str) -> Failure:
    """A letter of rtp's list in Redis. Its id is made of what it says."""
    letter_id = hashlib.blake2s(body.encode(), digest_size=16).hexdigest()
    return _failure(letter_id, LetterOrigin.REDIS, place, body, None)


def failure_in_queue(message: MessageTypeDef, place: str) -> Failure:
    """A message of a failure queue: Lambda's, or rtp's own."""
    attributes = dict[str, Any](message.get("Attributes", {}).items())
    sent_at = attributes.get("SentTimestamp")
    at = None if sent_at is None else datetime.fromtimestamp(int(sent_at) / 1000, UTC)
    return _failure(message["MessageId"], LetterOrigin.QUEUE, place, message.get("Body", ""), at)


def failed_alert(message: MessageTypeDef, place: str, sink: str) -> Failure:
    """A message that SQS's redrive policy moved behind a queue of alerts."""
    letter = letter_of_message(message, sink)
    return Failure(
        id=letter.id,
        origin=LetterOrigin.QUEUE,
        place=place,
        what="alert",
        error=letter.error,
        newest_at=letter.newest_at,
        sink=sink,
        event_id=letter.event_id or None,
        kind=letter.kind,
        chain=letter.chain,
        entity=letter.entity,
    )


def document_of(body: str) -> dict[str, Any]:
    """The letter itself; empty where it is no JSON object."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _failure(letter_id: str, origin: LetterOrigin, place: str, body: str, at: datetime | None) -> Failure:
    document = document_of(body)
    reason = str(document.get("reason", ""))
    try:
        if isinstance(batch := document.get("DDBStreamBatchInfo"), dict):
            return _of_batch(letter_id, origin, place, document, batch)
        if isinstance(document.get("event"), str):
            return _of_event(letter_id, origin, place, reason, at, document_of(document["event"]))
        if isinstance(record := document.get("record"), dict):
            return _of_record(letter_id, origin, place, reason, at, record)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        pass
    return Failure(letter_id, origin, place, "unknown", reason or "this is no letter of rtp or Lambda", at)


def _of_batch(
    letter_id: str, origin: LetterOrigin, place: str, document: Mapping[str, Any], batch: Mapping[str, Any]
) -> Failure:
    request = document.get("requestContext") or {}
    tries = request.get("approximateInvokeCount")
    return Failure(
        letter_id,
        origin,
        place,
        "batch",
        f"Lambda gave it up: {request.get('condition', 'no condition is named')}"
        + (f", after about {tries} tries" if tries is not None else ""),
        _time(document.get("timestamp")),
        stream_arn=str(batch["streamArn"]),
        shard=str(batch["shardId"]),
        first_number=_digits(batch["startSequenceNumber"]),
        last_number=_digits(batch["endSequenceNumber"]),
        last_arrival=_time(batch.get("approximateArrivalOfLastRecord")),
        records=int(batch.get("batchSize", 1)),
    )


def _of_record(
    letter_id: str, origin: LetterOrigin, place: str, reason: str, at: datetime | None, record: Mapping[str, Any]
) -> Failure:
    body = record.get("dynamodb")
    inner: Mapping[str, Any] = body if isinstance(body, dict) else {}
    created = inner.get("ApproximateCreationDateTime")
    arrived = datetime.fromtimestamp(float(created), UTC) if isinstance(created, (int, float)) else None
    return Failure(
        letter_id,
        origin,
        place,
        "record",
        reason,
        at or arrived,
        stream_arn=str(record["eventSourceARN"]) if record.get("eventSourceARN") else None,
        first_number=_digits(inner.get("SequenceNumber")),
        last_arrival=arrived,
        keys=inner.get("Keys"),
    )


def _of_event(
    letter_id: str, origin: LetterOrigin, place: str, reason: str, at: datetime | None, event: Mapping[str, Any]
) -> Failure:
    data = event.get("data")
    inner: Mapping[str, Any] = data if isinstance(data, dict) else {}
    named: dict[str, Any] = {name: inner.get(name) for name in ("kind", "chain", "entity")}
    return Failure(
        letter_id, origin, place, "event", reason, at or _time(event.get("time")), event_id=event.get("id"), **named
    )


def _digits(number: Any) -> str | None:
    """A sequence number, as it is written: whoever asks DynamoDB for it has to write it so."""
    text = str(number)
    return text if text.isascii() and text.isdigit() and len(text) <= 40 else None


def _time(text: Any) -> datetime | None:
    return None if not text else datetime.fromisoformat(str(text)).astimezone(UTC)
