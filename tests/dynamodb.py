"""A DynamoDB table as its stream shows it: writes become records, as Lambda hands them over."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import redis

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/{}/stream/2026-01-01T00:00:00.000"
NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
_FIRST_NUMBER = 10**30  # sequence numbers have up to 40 digits


@dataclass
class Table:
    """Items by key, and every record since the start."""

    name: str
    key: tuple[str, ...]
    items: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)

    def put(self, *, at: datetime = NOON, **values: Any) -> dict[str, Any]:
        """Write an item whole, each value in DynamoDB's spelling unless it is text."""
        item = {name: value if isinstance(value, dict) else {"S": value} for name, value in values.items()}
        key = tuple(str(item[name]) for name in self.key)
        old = self.items.get(key)
        self.items[key] = item
        return self._record("INSERT" if old is None else "MODIFY", item, old, at)

    def delete(self, *, at: datetime = NOON, **key: str) -> dict[str, Any]:
        """Remove an item."""
        old = self.items.pop(tuple(str({"S": key[name]}) for name in self.key))
        return self._record("REMOVE", None, old, at)

    def _record(
        self, name: str, new: Mapping[str, Any] | None, old: Mapping[str, Any] | None, at: datetime
    ) -> dict[str, Any]:
        number = str(_FIRST_NUMBER + len(self.records) * 7)
        images = {"NewImage": new, "OldImage": old}
        shown = new or old or {}
        record = {
            "eventID": number,
            "eventName": name,
            "eventSourceARN": ARN.format(self.name),
            "dynamodb": {
                "Keys": {part: shown[part] for part in self.key},
                "SequenceNumber": number,
                "ApproximateCreationDateTime": at.timestamp(),
                **{image: found for image, found in images.items() if found is not None},
            },
        }
        self.records.append(record)
        return record


def put(table: Table, value: str | None, protocol: str = "lido", **more: Any) -> dict[str, Any]:
    """Write a protocol's TVL. Returns the record."""
    amount = {"NULL": True} if value is None else {"N": value}
    return table.put(chain="ethereum", protocol=protocol, tvl_usd=amount, **more)


def published(store: redis.Redis) -> list[Any]:
    """The events in the stream, as documents; `store` answers in text."""
    entries: Any = store.xrange("rtp:stream")
    return [json.loads(fields["event"]) for _, fields in entries]


def expired(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a deletion, as though the item's time to live had passed."""
    return record | {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
