"""A real table of the embedded endpoint whose stream feeds a watch, and the settings that say so."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from core.stack import EmbeddedStack

COLUMNS = {"protocol": "protocol", "chain": "chain", "value": "tvl_usd"}


def create_table(
    dynamodb: DynamoDBClient, *keys: str, view_type: str | None = "NEW_AND_OLD_IMAGES", name: str = "tvl"
) -> str:
    """Make an empty table, with a stream of that view type; the first key is the partition's. Returns its name."""
    called = f"{name}-{uuid.uuid4().hex[:8]}"
    named = keys or ("protocol", "chain")
    stream: Any = {"StreamEnabled": True, "StreamViewType": view_type}
    dynamodb.create_table(
        TableName=called,
        KeySchema=[{"AttributeName": key, "KeyType": "RANGE" if place else "HASH"} for place, key in enumerate(named)],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in named],
        BillingMode="PAY_PER_REQUEST",
        **({"StreamSpecification": stream} if view_type else {}),
    )
    return called


def put(dynamodb: DynamoDBClient, table: str, protocol: str, *values: str, **more: Any) -> None:
    """Write an item of that protocol on chain base once for each value."""
    for value in values:
        item = {"protocol": {"S": protocol}, "chain": {"S": "base"}, "tvl_usd": {"N": value}}
        dynamodb.put_item(TableName=table, Item=item | {name: {"S": text} for name, text in more.items()})


def fed_document(cloud: EmbeddedStack, table: str, queue: str | None = None, **watch: Any) -> dict[str, Any]:
    """Settings of the watch `tvl`, which the table feeds, with that queue of alerts."""
    endpoint = cloud.addresses.sqs_endpoint_url
    return {
        "redis": {"url": cloud.addresses.redis_url},
        "sqs": {"endpoint_url": endpoint, "region": "us-east-1"} | ({"queue": queue} if queue else {}),
        "dynamodb": {"endpoint_url": endpoint, "region": "us-east-1", "tables": {"tvl": {"table": table}}},
        "watches": {"tvl": {"kind": "tvl", "table": "tvl", "columns": COLUMNS} | watch},
    }


def write_config(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write the settings into a file."""
    path = folder / "rtp.yaml"
    path.write_text(yaml.safe_dump(dict(document)), encoding="utf-8")
    return path
