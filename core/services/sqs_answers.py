"""What SQS's answers and the client library's errors mean."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from core.errors import SinkUnavailable
from rtp_client.errors import one_line

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
# What says nothing about the entry, although the answer calls it the sender's fault.
PASSING = frozenset({"ThrottlingException", "RequestThrottled", "OverLimit", "Throttling", "KmsThrottled"})


def unavailable(address: str, error: Exception) -> SinkUnavailable:
    """An error of the client library as rtp's own; it tells whether all of SQS is concerned, or this queue alone."""
    status = (
        error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) if isinstance(error, ClientError) else 0
    )
    concerns_queue = 400 <= status < 500 and status != 429 and code_of(error) not in PASSING
    return SinkUnavailable("SQS", address, reason(error), is_service_down=not concerns_queue)


def code_of(error: Exception) -> str:
    """SQS's own word for an error; empty where it said none."""
    found: str = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    return found.rpartition("#")[2].rpartition(".")[2]


def reason(error: Exception) -> str:
    """What a client library said, on one line. A header that it quotes may hold the signature, and is left out."""
    if type(error) is HTTPClientError and isinstance(error.kwargs.get("error"), (ValueError, RuntimeError)):
        return "the request cannot be sent as HTTP: is there a line break in the AWS credentials?"
    if not isinstance(error, (ClientError, BotoCoreError)):
        return f"its answer makes no sense ({type(error).__name__}: {error})"
    return one_line(error)
