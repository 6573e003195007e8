"""The SQS dead letter queue behind a queue: rtp's own letters go there as copies, SQS's redrive policy fills it, too.

A FIFO queue hands out at most ten messages of a group, and no more of it until those are deleted or visible again. So
what can be looked at is the head of each group.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.services.sqs_answers import NO_ANSWER, queue_address, queue_unavailable, unavailable
from rtp_client.keys import sqs_group_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, MessageTypeDef

    Attributes = Mapping[str, MessageAttributeValueTypeDef]

_INVISIBLE_SECONDS = 60
# Short polling asks some of SQS's servers only, and may find nothing where there is something.
_LONG_POLL_SECONDS = 1


class DeadLetterQueue:
    """One dead letter queue. Every method raises SinkUnavailable where SQS does not answer, or refuses."""

    def __init__(self, client: SQSClient, queue_url: str, url: str, largest_bytes: int) -> None:
        self.url = url
        self.name = url.rpartition("/")[2]
        self.largest_bytes = largest_bytes
        self._client = client
        self._queue_url = queue_url
        self._held: dict[str, MessageTypeDef] = {}
        self._address = queue_address(client.meta, self.name)

    def send(self, body: str, attributes: Attributes, *, partition_key: str, deduplication_id: str) -> None:
        """Put a message there; twice within five minutes is once."""
        self._call(
            self._client.send_message,
            QueueUrl=self.url,
            MessageBody=body,
            MessageAttributes=attributes,
            MessageGroupId=sqs_group_id(partition_key),
            MessageDeduplicationId=deduplication_id,
        )

    def count(self) -> int:
        """About how many messages are there."""
        names = ["ApproximateNumberOfMessages"]
        answer = self._call(self._client.get_queue_attributes, QueueUrl=self.url, AttributeNames=names)
        return int(answer["Attributes"][names[0]])

    @contextmanager
    def hold(self) -> Iterator[Iterator[MessageTypeDef]]:
        """All messages that SQS hands out: nobody else sees them, nor what is behind them in their groups, meanwhile.

        What is not deleted until the end is visible to others again.
        """
        held: dict[str, MessageTypeDef] = {}
        self._held = held
        try:
            yield self._receive_all(held)
        finally:
            # The last first: as soon as one is visible somebody may take it, and what is behind it should be there.
            for message in reversed(held.values()):
                self._release(message)

    def _receive_all(self, held: dict[str, MessageTypeDef]) -> Iterator[MessageTypeDef]:
        seen: set[str] = set()
        while fresh := [message for message in self._receive() if message["MessageId"] not in seen]:
            seen.update(message["MessageId"] for message in fresh)
            held.update((message["MessageId"], message) for message in fresh)
            yield from fresh

    def _receive(self) -> list[MessageTypeDef]:
        answer = self._call(
            self._client.receive_message,
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=_INVISIBLE_SECONDS,
            WaitTimeSeconds=_LONG_POLL_SECONDS,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[MessageTypeDef] = answer.get("Messages", [])
        return messages

    def _release(self, message: MessageTypeDef) -> None:
        receipt = message["ReceiptHandle"]
        self._call(
            self._client.change_message_visibility, QueueUrl=self.url, ReceiptHandle=receipt, VisibilityTimeout=0
        )

    def delete(self, message: MessageTypeDef) -> None:
        """Remove a message for good."""
        self._call(self._client.delete_message, QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        self._held.pop(message["MessageId"], None)

    def send_back(self, message: MessageTypeDef) -> None:
        """Put a message into the queue that it came from, then remove it here.

        With a deduplication id of its own: the original's would be swallowed within five minutes of the original. It is
        made of the message's id here, so that a crash between the two steps does not deliver it twice.
        """
        attributes = message["Attributes"]
        self._call(
            self._client.send_message,
            QueueUrl=self._source_url(attributes.get("DeadLetterQueueSourceArn")),
            MessageBody=message["Body"],
            MessageAttributes=dict(_sendable(message.get("MessageAttributes", {}))),
            MessageGroupId=attributes["MessageGroupId"],
            MessageDeduplicationId=f"redrive-{message['MessageId']}",
        )
        self.delete(message)

    def _source_url(self, arn: str | None) -> str:
        return _url_of_arn(self._client, arn) if arn else self._queue_url

    def _call(self, call: Callable[..., Any], **arguments: Any) -> Any:
        try:
            return call(**arguments)
        except NO_ANSWER as error:
            raise unavailable(self._address, error) from error


def find_dead_letter_queue(client: SQSClient, queue: str, *, named: str | None = None) -> DeadLetterQueue | None:
    """The queue's dead letter queue: the one that the settings name, else its redrive policy's; None without either.

    Raises SinkUnavailable where SQS does not answer, or refuses.
    """
    try:
        queue_url = client.get_queue_url(QueueName=queue)["QueueUrl"]
        if named is not None:
            url = client.get_queue_url(QueueName=named)["QueueUrl"]
        else:
            found = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["RedrivePolicy"])
            policy = found.get("Attributes", {}).get("RedrivePolicy")
            if not policy:
                return None
            url = _url_of_arn(client, json.loads(policy)["deadLetterTargetArn"])
        limit = client.get_queue_attributes(QueueUrl=url, AttributeNames=["MaximumMessageSize"])["Attributes"]
    except NO_ANSWER as error:
        raise queue_unavailable(client.meta, named or queue, error) from error
    return DeadLetterQueue(client, queue_url, url, int(limit["MaximumMessageSize"]))


def open_queue(client: SQSClient, name: str) -> DeadLetterQueue:
    """The queue of that name, behind no other one. Raises SinkUnavailable where SQS does not answer, or refuses."""
    try:
        url = client.get_queue_url(QueueName=name)["QueueUrl"]
        limit = client.get_queue_attributes(QueueUrl=url, AttributeNames=["MaximumMessageSize"])["Attributes"]
    except NO_ANSWER as error:
        raise queue_unavailable(client.meta, name, error) from error
    return DeadLetterQueue(client, url, url, int(limit["MaximumMessageSize"]))


def _url_of_arn(client: SQSClient, arn: str) -> str:
    account, name = arn.split(":")[-2:]
    return client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]


def _sendable(attributes: Mapping[str, Any]) -> Iterator[tuple[str, MessageAttributeValueTypeDef]]:
    for name, value in attributes.items():
        known = ("DataType", "StringValue", "BinaryValue")
        yield name, {key: value[key] for key in known if key in value}  # type: ignore[misc]
