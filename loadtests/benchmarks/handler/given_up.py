"""What Lambda sends to the failure destination of a stream's mapping: where the records are, not the records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def arrival(record: Mapping[str, Any]) -> float:
    """When a record came into the stream, in seconds since 1970."""
    return float(record["dynamodb"]["ApproximateCreationDateTime"])


def description(
    records: Sequence[Mapping[str, Any]], shard: str, *, condition: str, tries: int, at: datetime
) -> dict[str, Any]:
    """The message about these records of a shard, as AWS documents it."""
    first, last = records[0], records[-1]
    return {
        "requestContext": {
            "requestId": "00000000-0000-0000-0000-000000000000",
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:rtp",
            "condition": condition,
            "approximateInvokeCount": tries,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": None},
        "version": "1.0",
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "DDBStreamBatchInfo": {
            "shardId": shard,
            "startSequenceNumber": first["dynamodb"]["SequenceNumber"],
            "endSequenceNumber": last["dynamodb"]["SequenceNumber"],
            "approximateArrivalOfFirstRecord": _written(first),
            "approximateArrivalOfLastRecord": _written(last),
            "batchSize": len(records),
            "streamArn": first["eventSourceARN"],
        },
    }


def _written(record: Mapping[str, Any]) -> str:
    return datetime.fromtimestamp(arrival(record), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
