"""Consumers of one SQS queue, which hand on what they receive, and then delete it."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from core.services.receiving_client import ReceivingClient
    from core.stack import StackAddresses

BATCH_MESSAGES = 10
_WAIT_SECONDS = 1
_PAUSE_AFTER_FAILURE_SECONDS = 0.02
_LONGEST_KEPT_SECONDS = 0.02


class SqsConsumer:
    """One thread per client, from `start` to `stop`. Several may share a client.

    `take` hears each body and when it was received (Unix time); where it answers False, the message is somebody
    else's and goes back. It is heard in order all the same: while a message of a group is with one thread, the queue
    gives nothing more of that group to anybody.

    `on_failure` hears the first of several receives in a row that fail, and each deletion that does. `hidden_seconds`
    is for how long a message is withheld whose answer died with its connection (None: as the queue has it).
    `gather_seconds` is how long to wait for more after an answer that is not full: taking each message as it comes
    costs a request each.

    Messages are deleted ten at a time, whoever has received them, or 20 ms later; until then their groups wait.
    """

    def __init__(
        self,
        clients: Sequence[ReceivingClient],
        queue_url: str,
        take: Callable[[str, float], bool | None],
        *,
        on_failure: Callable[[Exception], object] = lambda _: None,
        hidden_seconds: int | None = None,
        gather_seconds: float = 0,
    ) -> None:
        self._queue_url = queue_url
        self._take, self._on_failure = take, on_failure
        self._options: Any = {} if hidden_seconds is None else {"VisibilityTimeout": hidden_seconds}
        self._gather_seconds = gather_seconds
        self._stopping = threading.Event()
        self._ends_when_empty = False
        self._handles: deque[str] = deque()
        self._threads = [threading.Thread(target=self._run, args=(client,), daemon=True) for client in clients]
        self._have_ended = threading.Event()
        self._deleting = threading.Thread(target=self._delete_now_and_then, args=(clients[0],), daemon=True)

    def start(self) -> None:
        for thread in (*self._threads, self._deleting):
            thread.start()

    def stop(self, *, when_empty: bool = False) -> None:
        """End after the request that is under way, or after the first that brings nothing."""
        self._ends_when_empty = when_empty
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._have_ended.set()
        self._deleting.join()

    def _run(self, client: ReceivingClient) -> None:
        received, is_failing = 0, False
        while not self._stopping.is_set() or (self._ends_when_empty and received):
            try:
                received = self._receive(client)
            except (BotoCoreError, ClientError) as error:
                if not is_failing:
                    self._on_failure(error)
                is_failing = True
                self._stopping.wait(_PAUSE_AFTER_FAILURE_SECONDS)
                continue
            is_failing = False
            if self._gather_seconds and received < BATCH_MESSAGES:
                self._stopping.wait(self._gather_seconds)

    def _receive(self, client: ReceivingClient) -> int:
        answer = client.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=BATCH_MESSAGES,
            WaitTimeSeconds=_WAIT_SECONDS,
            **self._options,
        )
        received_at = time.time()
        messages = answer.get("Messages", [])
        ours: list[MessageTypeDef] = []
        others: list[MessageTypeDef] = []
        for message in messages:
            (others if self._take(message["Body"], received_at) is False else ours).append(message)
        self._handles.extend(message["ReceiptHandle"] for message in ours)
        while len(self._handles) >= BATCH_MESSAGES:
            self._delete(client)
        if others:
            client.change_message_visibility_batch(
                QueueUrl=self._queue_url,
                Entries=[
                    {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": 0}
                    for i, m in enumerate(others)
                ],
            )
        return len(messages)

    def _delete_now_and_then(self, client: ReceivingClient) -> None:
        while not self._have_ended.wait(_LONGEST_KEPT_SECONDS) or self._handles:
            try:
                self._delete(client)
            except (BotoCoreError, ClientError) as error:
                self._on_failure(error)

    def _delete(self, client: ReceivingClient) -> None:
        """Delete up to ten. Those of a request that fails come again."""
        handles: list[str] = []
        with suppress(IndexError):  # some other thread may be as quick
            while len(handles) < BATCH_MESSAGES:
                handles.append(self._handles.popleft())
        if handles:
            entries = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(handles)]
            client.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)


def stack_sqs_client(addresses: StackAddresses) -> SQSClient:
    """A client of the embedded stack's endpoint, without retries of its own."""
    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=2,
        read_timeout=5,
        parameter_validation=False,
        user_agent="rtp-loadtests",  # botocore would put its own together anew for each request
    )
    return boto3.client(
        "sqs",
        endpoint_url=addresses.sqs_endpoint_url,
        region_name=addresses.aws_region,
        aws_access_key_id=addresses.aws_access_key_id,
        aws_secret_access_key=addresses.aws_secret_access_key,
        config=config,
    )
