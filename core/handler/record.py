"""A record of a DynamoDB stream: where and when it came, and what it says that was done to an item."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from core.errors import EventRejected
from core.handler.change import RecordPlace
from core.letters.failure import table_in
from rtp_client.redact import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_IMAGES = {"INSERT": ("NewImage",), "MODIFY": ("NewImage", "OldImage"), "REMOVE": ("OldImage",)}


def event_prefix(record: Mapping[str, Any], position: RecordPlace, watch: str) -> str:
    """The id of the record's event: stream, sequence number and watch. At most 103 characters; SQS takes 128."""
    return f"{_stream_digest(record.get('eventSourceARN', ''))}-{position.sequence_number}-{watch}"


def table_of(record: Mapping[str, Any]) -> str:
    """The table that a record is of, by its stream's ARN; empty without one."""
    return (table_in(str(record.get("eventSourceARN", ""))) if isinstance(record, dict) else None) or ""


def images_of(record: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The new and the old image. Raises EventRejected where they do not fit what the record says of itself."""
    name, body = record.get("eventName"), record["dynamodb"]
    if name not in _IMAGES:
        raise EventRejected(f"the record's eventName is {shown(str(name))}, not {' or '.join(_IMAGES)}")
    there = tuple(image for image in ("NewImage", "OldImage") if body.get(image) is not None)
    if there != _IMAGES[name]:
        found = " and ".join(there) or "no image"
        needed = " and ".join(_IMAGES[name])
        raise EventRejected(
            f"a record of {name} has {found}, not {needed}. Set the stream's view type to NEW_AND_OLD_IMAGES"
        )
    return body.get("NewImage"), body.get("OldImage")


def is_expired(record: Mapping[str, Any]) -> bool:
    """Whether DynamoDB itself deleted the item, as its time to live had passed."""
    who = record.get("userIdentity") or {}
    return bool(
        record.get("eventName") == "REMOVE"
        and (who.get("type") or who.get("Type")) == "Service"
        and (who.get("principalId") or who.get("PrincipalId")) == "dynamodb.amazonaws.com"
    )


def position_of(record: Mapping[str, Any]) -> RecordPlace:
    """Where the record stands in its stream. Raises EventRejected where that is not to be seen."""
    body = record.get("dynamodb")
    if not isinstance(body, dict) or not isinstance(body.get("Keys"), dict):
        raise EventRejected("this is no record of a DynamoDB stream")
    digits = str(body.get("SequenceNumber", ""))
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 40):
        raise EventRejected("the record has no sequence number")
    keys = json.dumps(body["Keys"], sort_keys=True).encode()
    return RecordPlace(hashlib.blake2s(keys, digest_size=6).hexdigest(), int(digits))


def arrival_of(record: Mapping[str, Any]) -> datetime:
    """When DynamoDB put the record into the stream, to the second: the same at every delivery. Raises EventRejected."""
    try:
        return datetime.fromtimestamp(float(record["dynamodb"]["ApproximateCreationDateTime"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise EventRejected("the record has no creation time") from None


@lru_cache(maxsize=256)
def _stream_digest(stream_arn: str) -> str:
    return hashlib.blake2s(stream_arn.encode(), digest_size=6).hexdigest()
