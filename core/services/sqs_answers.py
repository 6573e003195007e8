"""What SQS's answers and the client library's errors mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from core.errors import SinkUnavailable
from core.services.aws_words import aws_words, code_of
from core.services.sqs_client import aws_session
from rtp_client.redact import redact

if TYPE_CHECKING:
    from botocore.client import ClientMeta

# What SQS will never take. `SenderFault` does not tell: throttled entries carry it, too.
FINAL = frozenset(
    {
        "InvalidAttributeValue",
        "InvalidMessageContents",
        "InvalidParameterValue",
        "MissingParameter",
        "UnsupportedOperation",
    }
)
# Errors of a whole request that one of its entries may have caused: sent singly, the others go in.
OF_AN_ENTRY = FINAL | {
    "BatchRequestTooLong",
    "InvalidParameterCombination",
    "SerializationException",
    "ValidationError",
    "ValidationException",
}
# What the client raises where there is no answer, or one that makes no sense: a proxy on the way may answer anything,
# and boto3 takes it to pieces trustingly. Nothing in such an answer counts: what was sent after all is sent again.
NO_ANSWER = (ClientError, BotoCoreError, AttributeError, IndexError, KeyError, TypeError, ValueError)
# No such queue, in the words of SQS's older protocol and of its newer one.
_MISSING = frozenset({"NonExistentQueue", "QueueDoesNotExist"})
# Of a queue with which the groups are apart from each other (docs/explanation/aws.md).
_ATTRIBUTES = "--attributes FifoQueue=true,DeduplicationScope=messageGroup,FifoThroughputLimit=perMessageGroupId"
# What says nothing about the entry, although the answer calls it the sender's fault.
PASSING = frozenset({"ThrottlingException", "RequestThrottled", "OverLimit", "Throttling", "KmsThrottled"})


def unavailable(address: str, error: Exception) -> SinkUnavailable:
    """An error of the client library as rtp's own; it tells whether all of SQS is concerned, or this queue alone."""
    status = (
        error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) if isinstance(error, ClientError) else 0
    )
    concerns_queue = 400 <= status < 500 and status != 429 and code_of(error) not in PASSING
    return SinkUnavailable("SQS", address, reason(error), is_service_down=not concerns_queue)


def queue_address(meta: ClientMeta, queue: str) -> str:
    """Where a queue is, fit for a person's eyes."""
    return f"{redact(meta.endpoint_url)} {queue}"


def queue_unavailable(meta: ClientMeta, queue: str, error: Exception) -> SinkUnavailable:
    """As `unavailable`, of one queue; of a missing one it says in which region, and how to make it."""
    address = queue_address(meta, queue)
    if code_of(error) not in _MISSING:
        return unavailable(address, error)
    attributes = f" {_ATTRIBUTES}" if queue.endswith(".fifo") else ""
    create = f"aws sqs create-queue --queue-name {queue} --region {meta.region_name}{attributes}"
    cause = (
        f"these credentials find no queue {queue} in region {meta.region_name}. Make it: `{create}`; or name the queue"
        " and the region that are meant"
    )
    return SinkUnavailable("SQS", address, cause, is_service_down=False)


def reason(error: Exception) -> str:
    """What a client library said, on one line."""
    words = aws_words(error, find_credentials=aws_session().get_credentials)
    return words if isinstance(error, (ClientError, BotoCoreError)) else f"its answer makes no sense ({words})"
