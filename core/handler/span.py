"""The records between two sequence numbers of a shard, read from the stream again while it still has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from core.errors import ServiceUnavailable
from core.handler.description import dynamodb_errors, shard_iterator
from core.handler.poller import as_in_lambda
from core.services.aws_words import code_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

    from core.letters.failure import Failure

_GONE = frozenset({"TrimmedDataAccessException", "ResourceNotFoundException", "ValidationException"})
_PAGE = 500
_MOST_EMPTY_PAGES = 1000
"""In a row: a page may hold nothing, although there is more behind it."""


class Trimmed(Exception):
    """The stream has the records no more: it keeps them for 24 hours, and a shard that has ended no longer."""


def read_span(streams: DynamoDBStreamsClient, failure: Failure) -> Iterator[list[dict[str, Any]]]:
    """The records of a batch that was given up, and those of others between them, page by page, in order.

    Raises Trimmed where they are gone, and ServiceUnavailable.
    """
    if not (failure.stream_arn and failure.shard and failure.first_number and failure.last_number):
        raise Trimmed
    first, last = int(failure.first_number), int(failure.last_number)
    iterator: str | None = _iterator(streams, failure.stream_arn, failure.shard, failure.first_number)
    has_begun, empty = False, 0
    while iterator is not None:
        with dynamodb_errors(streams, "GetRecords", failure.stream_arn):
            try:
                answer = streams.get_records(ShardIterator=iterator, Limit=_PAGE)
            except ClientError as error:
                if code_of(error) in _GONE:
                    raise Trimmed from error
                raise
        records = [as_in_lambda(record, failure.stream_arn) for record in answer["Records"]]
        numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
        if numbers and not has_begun and numbers[0] > first:
            raise Trimmed
        has_begun = has_begun or bool(numbers)
        wanted = [record for number, record in zip(numbers, records, strict=True) if number <= last]
        if wanted:
            yield wanted
        if numbers and numbers[-1] >= last:
            return
        empty = 0 if numbers else empty + 1
        if empty > _MOST_EMPTY_PAGES:
            raise ServiceUnavailable("DynamoDB", failure.stream_arn, f"shard {failure.shard} hands out no record")
        iterator = answer.get("NextShardIterator")
    if not has_begun:
        raise Trimmed


def _iterator(streams: DynamoDBStreamsClient, stream_arn: str, shard: str, first: str) -> str:
    with dynamodb_errors(streams, "GetShardIterator", stream_arn):
        try:
            return shard_iterator(streams, stream_arn, shard, "AT_SEQUENCE_NUMBER", first)
        except ClientError as error:
            if code_of(error) in _GONE:
                raise Trimmed from error
            raise
