"""Records of a DynamoDB stream, as Lambda hands them over."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

PER_SECOND = 100
ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/tvl/stream/2026-01-01T00:00:00.000"


def make_records(count: int, entities: int, chance: random.Random, *, significant: float) -> list[dict[str, Any]]:
    """A stream's records: TVL that moves by 2 % now and then, else by a trifle."""
    values = dict[str, Decimal]()
    items = dict[str, dict[str, Any]]()
    records = list[dict[str, Any]]()
    for number in range(count):
        name = f"protocol-{chance.randrange(entities)}"
        factor = Decimal("1.02") if chance.random() < significant else Decimal("1.0001")
        values[name] = (values.get(name, Decimal(1_000_000)) * factor).quantize(Decimal("0.0001"))
        item = {"chain": {"S": "base"}, "protocol": {"S": name}, "tvl_usd": {"N": str(values[name])}}
        body: dict[str, Any] = {
            "Keys": {"chain": {"S": "base"}, "protocol": {"S": name}},
            "NewImage": item,
            "SequenceNumber": str(10**30 + number),
            "ApproximateCreationDateTime": 1_700_000_000 + number / PER_SECOND,
        }
        if name in items:
            body["OldImage"] = items[name]
        items[name] = item
        what = "MODIFY" if "OldImage" in body else "INSERT"
        records.append({"eventSourceARN": ARN, "eventName": what, "dynamodb": body})
    return records
