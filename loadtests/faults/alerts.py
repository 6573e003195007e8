"""The one who reads what rtp delivers to SQS, all the time and beside the proxies: consumers of the queue."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from loadtests.faults.crew import Crew
from loadtests.faults.tally import Sighting, Tally, sighting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from core.stack import StackAddresses

# The endpoint looks at all that is unread for each request: who falls behind makes it slow for rtp, too.
_CONSUMERS = 4
_FULL_BATCH = 10
# Taking each message as it comes would cost two requests a message, and the machine more than all that is tested.
_GATHER_SECONDS = 0.1
# An answer that died with its connection holds up its messages' groups for so long.
_OURS_SECONDS = 5
_RETRY_SECONDS = 0.02


class Alerts(Crew):
    """The SQS side: what SQS has accepted (the gateway tells), and what a consumer has received.

    The endpoint keeps its queue in memory. What it had accepted, and not handed out, when it was killed, is its loss
    and not rtp's; it is counted as `lost_by_endpoint`, and everything else that was accepted must be received.

    Several receive at a time. What they note is in order all the same: while a message of a group is with one of them,
    the queue gives nothing more of that group to anybody, and each notes before it deletes.
    """

    def __init__(self, addresses: StackAddresses, queue_url: str) -> None:
        super().__init__([self._run] * _CONSUMERS)
        self.accepted = Tally("SQS")
        self.received = Tally("SQS consumer")
        self.lost_by_endpoint = 0
        self._waiting: dict[int, Sighting] = {}  # by sequence: accepted, not received
        self._ahead: set[int] = set()  # received before the gateway knew that they were accepted
        self._lock = threading.Lock()
        self._queue_url = queue_url
        self._client = sqs_consumer_client(addresses)

    def stop(self) -> None:
        """End, and give the connections back."""
        super().stop()
        self._client.close()

    @property
    def waiting(self) -> int:
        """How many messages are in the queue as far as anyone can know."""
        return len(self._waiting)

    def note_accepted(self, bodies: Sequence[str]) -> None:
        """SQS has taken these, in this order."""
        for body in bodies:
            seen = sighting(body)
            is_new = self.accepted.note(seen)
            with self._lock:
                if seen.sequence in self._ahead:
                    self._ahead.discard(seen.sequence)
                elif is_new:
                    self._waiting[seen.sequence] = seen

    def excuse_endpoint(self) -> None:
        """The endpoint was killed, and with it went what nobody had received."""
        with self._lock:
            self.lost_by_endpoint += len(self._waiting)
            for seen in self._waiting.values():
                self.received.skip(seen)
            self._waiting.clear()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._receive()
            except (BotoCoreError, ClientError):
                self._stopping.wait(_RETRY_SECONDS)

    def _receive(self) -> None:
        answer = self._client.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=_FULL_BATCH,
            WaitTimeSeconds=1,
            VisibilityTimeout=_OURS_SECONDS,
        )
        messages = answer.get("Messages", [])
        for message in messages:
            self._note_received(message)
        if messages:
            entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)]
            self._client.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)  # type: ignore[arg-type]
        if len(messages) < _FULL_BATCH:
            self._stopping.wait(_GATHER_SECONDS)

    def _note_received(self, message: MessageTypeDef) -> None:
        seen = sighting(message["Body"])
        is_new = self.received.note(seen)
        with self._lock:
            if self._waiting.pop(seen.sequence, None) is None and is_new:
                self._ahead.add(seen.sequence)


def sqs_consumer_client(addresses: StackAddresses) -> SQSClient:
    """A client of the endpoint itself, without its own retries."""
    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=2,
        read_timeout=5,
        parameter_validation=False,
        user_agent="rtp-faults",  # botocore would put its own together anew for each request
    )
    return boto3.client(
        "sqs",
        endpoint_url=addresses.sqs_endpoint_url,
        region_name=addresses.aws_region,
        aws_access_key_id=addresses.aws_access_key_id,
        aws_secret_access_key=addresses.aws_secret_access_key,
        config=config,
    )
