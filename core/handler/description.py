"""What DynamoDB says of a table and of its stream's shards, and where in a shard to read."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import ServiceUnavailable, SettingsError, StatementRefused
from rtp_client.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_dynamodbstreams.literals import ShardIteratorTypeType

BOTH_IMAGES = "NEW_AND_OLD_IMAGES"
_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})


@dataclass(frozen=True)
class DescribedTable:
    """A table. `keys` are its key's attributes, the partition's first; without a stream, ARN and view type are None.

    `items` is about how many there are: DynamoDB counts every six hours.
    """

    name: str
    status: str
    keys: Sequence[str]
    items: int
    stream_arn: str | None
    view_type: str | None


@dataclass(frozen=True)
class DescribedShard:
    """A shard of a stream. A closed one takes no more records, and is gone 24 hours after its last.

    Its records come behind those of `parent`, which may be gone.
    """

    shard_id: str
    parent: str | None
    is_open: bool


def describe_table(client: DynamoDBClient, name: str) -> DescribedTable:
    """The table of that name. Raises SettingsError where there is none, and ServiceUnavailable."""
    with dynamodb_errors(client, "DescribeTable", name):
        found = client.describe_table(TableName=name)["Table"]
    schema = sorted(found.get("KeySchema", []), key=lambda part: part["KeyType"])  # HASH, RANGE
    stream = found.get("StreamSpecification", {})
    is_on = bool(stream.get("StreamEnabled", True)) and "LatestStreamArn" in found
    return DescribedTable(
        name=name,
        status=str(found.get("TableStatus", "")),
        keys=[part["AttributeName"] for part in schema],
        items=int(found.get("ItemCount", 0)),
        stream_arn=found.get("LatestStreamArn") if is_on else None,
        view_type=stream.get("StreamViewType") if is_on else None,
    )


def stream_with_both_images(table: DescribedTable) -> str:
    """The ARN of a table's stream. Raises SettingsError where there is none, or it does not show both images."""
    if table.stream_arn is None:
        raise SettingsError(f"table {table.name} has no stream", f"Enable one of {BOTH_IMAGES}")
    if table.view_type != BOTH_IMAGES:
        raise SettingsError(
            f"the stream of table {table.name} shows {table.view_type}, and rtp needs {BOTH_IMAGES}",
            "Disable it and enable one with both: a stream's view type cannot be changed",
        )
    return table.stream_arn


def describe_shards(client: DynamoDBStreamsClient, stream_arn: str) -> list[DescribedShard]:
    """The shards of a stream, those whose records are older than 24 hours left out. Raises ServiceUnavailable."""
    shards: list[DescribedShard] = []
    last = ""
    while True:
        more: Any = {"ExclusiveStartShardId": last} if last else {}
        with dynamodb_errors(client, "DescribeStream", stream_arn):
            found = client.describe_stream(StreamArn=stream_arn, **more)["StreamDescription"]
        for shard in found.get("Shards", []):
            is_open = "EndingSequenceNumber" not in shard.get("SequenceNumberRange", {})
            shards.append(DescribedShard(shard["ShardId"], shard.get("ParentShardId"), is_open))
        last = found.get("LastEvaluatedShardId", "")
        if not last:
            return shards


def shard_iterator(
    client: DynamoDBStreamsClient, stream_arn: str, shard_id: str, kind: ShardIteratorTypeType, number: str = ""
) -> str:
    """A place in a shard to read from: one of DynamoDB's kinds, and for some the sequence number. Raises as boto3."""
    place: Any = {"SequenceNumber": number} if number else {}
    return client.get_shard_iterator(StreamArn=stream_arn, ShardId=shard_id, ShardIteratorType=kind, **place)[
        "ShardIterator"
    ]


@contextmanager
def dynamodb_errors(client: DynamoDBClient | DynamoDBStreamsClient, action: str, resource: str) -> Iterator[None]:
    """Within, DynamoDB's errors are rtp's own: a table that is not there, a right that is missing, no answer."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - boto3 is an extra

    from core.services.aws_words import aws_words, code_of  # noqa: PLC0415

    address = redact(client.meta.endpoint_url)
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code == "ResourceNotFoundException" and "arn:" not in resource:
            region = client.meta.region_name
            raise SettingsError(
                f"there is no DynamoDB table {resource} in region {region}", "Check dynamodb.tables and region"
            ) from error
        if code in _DENIED:
            words = f"these credentials lack dynamodb:{action} on {resource}"
            raise StatementRefused("DynamoDB", address, words) from error
        if code == "ValidationException":  # asking again is no use
            raise StatementRefused("DynamoDB", address, aws_words(error)) from error
        raise ServiceUnavailable("DynamoDB", address, aws_words(error)) from error
    except BotoCoreError as error:
        raise ServiceUnavailable("DynamoDB", address, aws_words(error)) from error
