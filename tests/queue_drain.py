"""Taking messages off an SQS queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef


def drain(client: SQSClient, url: str) -> list[MessageTypeDef]:
    """Receive all that can be received now, and delete it."""
    taken: list[MessageTypeDef] = []
    while batch := client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
    ).get("Messages"):
        for message in batch:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        taken += batch
    return taken


def drain_events(client: SQSClient, url: str) -> list[Any]:
    """The events that can be received now."""
    return [json.loads(message["Body"]) for message in drain(client, url)]
