"""Alerts from an SQS queue: received, put into the outbox, and only then deleted.

SQS gives nothing more of a group to anybody while one of its messages is received and not deleted, so order holds
however many receive. A message that comes again is known by its event's id.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.problem import LastingProblem
from core.services.sqs_answers import NO_ANSWER, queue_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from core.notify.intakes.intake import Intake
    from core.problem import Problem
    from core.services.receiving_client import ReceivingClient
    from core.services.recovery import Recovery

_MOST_MESSAGES = 10
_LONG_POLL_SECONDS = 1
_INVISIBLE_SECONDS = 10
"""How long a message waits whose receiver was killed; what comes again sooner than it is put in is known by its id."""
_REDIS_PAUSE_SECONDS = 0.2


class QueueIntake:
    """One queue's receivers, each a thread."""

    def __init__(
        self,
        queue: str,
        client: ReceivingClient,
        intake: Intake,
        recoveries: Sequence[Recovery],
        *,
        on_problem: Callable[[Problem], None],
    ) -> None:
        self.queue = queue
        self.busy_at = time.monotonic()
        self._client = client
        self._intake = intake
        self._stopping = threading.Event()
        self._url = ""
        self._refusing = LastingProblem("notify", on_problem)
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(recovery,), name=f"notify_take_{queue}", daemon=True)
            for recovery in recoveries
        ]

    @property
    def is_alive(self) -> bool:
        """Whether its threads run."""
        return all(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, within_seconds: float) -> None:
        """End after the requests that are under way, unless that takes longer."""
        self._stopping.set()
        deadline = time.monotonic() + within_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def idle_seconds(self, now: float) -> float:
        """How long the queue has had nothing, on the monotonic clock; it is asked all the time."""
        return now - self.busy_at

    def _run(self, recovery: Recovery) -> None:
        while recovery.wait_for_turn(self._stopping):
            try:
                messages = self._receive()
                recovery.succeeded()
                self._note_refusal(None)
            except NO_ANSWER as error:
                self.busy_at = time.monotonic()
                failure = queue_unavailable(self._client.meta, self.queue, error)
                recovery.failed(failure)
                self._note_refusal(failure)
                recovery.pause(self._stopping)
                continue
            if messages:
                self.busy_at = time.monotonic()
                self._take(messages)
                self.busy_at = time.monotonic()

    def _note_refusal(self, failure: SinkUnavailable | None) -> None:
        """Tell of a queue that is not there, or not for us; of SQS that is away, its circuit breaker tells."""
        with self._lock:
            if failure is None:
                self._refusing.is_over(f"queue {self.queue}: alerts are taken again")
            elif not failure.is_service_down:
                self._refusing.tell(f"{failure}. Trying again")

    def _receive(self) -> Sequence[MessageTypeDef]:
        if not self._url:
            self._url = self._client.get_queue_url(QueueName=self.queue)["QueueUrl"]
        answer = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_MOST_MESSAGES,
            WaitTimeSeconds=_LONG_POLL_SECONDS,
            VisibilityTimeout=_INVISIBLE_SECONDS,
        )
        messages: Sequence[MessageTypeDef] = answer.get("Messages", [])
        return messages

    def _take(self, messages: Sequence[MessageTypeDef]) -> None:
        """Put them in, however long Redis is away: received again and again, they would end as SQS's dead letters."""
        while True:
            try:
                self._intake.take([message.get("Body", "") for message in messages])
                break
            except SinkUnavailable:  # the leases tell of it
                if self._stopping.wait(_REDIS_PAUSE_SECONDS):
                    return
        entries: list[Any] = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages)
        ]
        with suppress(*NO_ANSWER):  # what is not deleted comes again, and is known
            self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
