"""The demo's alert queue: FIFO, high throughput, with a dead-letter queue behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

# High-throughput FIFO, as AWS documents it: deduplicate and throttle per message group.
_FIFO: dict[QueueAttributeNameType, str] = {
    "FifoQueue": "true",
    "DeduplicationScope": "messageGroup",
    "FifoThroughputLimit": "perMessageGroupId",
}
_RECEIVES_BEFORE_DEAD = 5


def create_queue(client: SQSClient, name: str) -> str:
    """Create the queue and its dead-letter queue; the queue's URL."""
    dead_url = client.create_queue(QueueName=name.replace(".fifo", "-dlq.fifo"), Attributes=_FIFO)["QueueUrl"]
    dead = client.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]
    policy = {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": _RECEIVES_BEFORE_DEAD}
    redrive: dict[QueueAttributeNameType, str] = {"RedrivePolicy": json.dumps(policy)}
    return client.create_queue(QueueName=name, Attributes=_FIFO | redrive)["QueueUrl"]
