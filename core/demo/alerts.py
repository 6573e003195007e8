"""The demo's reader of alerts: takes every message off the SQS queue, so that it never fills up.

It also shows what rtp asks of a consumer. Delivery is at least once, so an event is known by its `id` and
handled once, and a message is deleted only after it was handled.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from rtp_client.backoff import Backoff
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

BATCH = 10
"""The most messages SQS hands out, or deletes, in one call."""

LONG_POLL_SECONDS = 1
IDS_REMEMBERED = 10_000
RETRY = Backoff(initial_seconds=0.1, max_seconds=5)


class DemoAlerts:
    """Hands each event to `on_alert` once, until `stop` is called.

    `received` counts events handed over (`on_alert` must not raise), `duplicates` redeliveries of those,
    `malformed` messages that are no event (deleted too: one that stayed would block its whole group),
    `failures` calls that SQS did not answer. The caller closes the client after `stop`.
    """

    def __init__(
        self,
        client: SQSClient,
        queue_url: str,
        on_alert: Callable[[dict[str, Any]], object],
        *,
        backoff: Backoff = RETRY,
    ) -> None:
        self.received = 0
        self.duplicates = 0
        self.malformed = 0
        self.failures = 0
        self.last_failure = ""
        self._client = client
        self._queue_url = queue_url
        self._on_alert = on_alert
        self._backoff = backoff
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtp demo alerts", daemon=True)

    def start(self) -> None:
        """Begin to receive, in a thread of the consumer's own."""
        self._thread.start()

    def stop(self, timeout_seconds: float = 5) -> None:
        """End after the poll that is running now; harmless when the consumer never began."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        failures_in_a_row = 0
        while not self._stopping.is_set():
            try:
                self._take_batch()
                failures_in_a_row = 0
            except (BotoCoreError, ClientError) as error:
                failures_in_a_row += 1
                self.failures += 1
                self.last_failure = one_line(error)
                self._stopping.wait(self._backoff.wait_seconds(failures_in_a_row))

    def _take_batch(self) -> None:
        answer = self._client.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=LONG_POLL_SECONDS
        )
        messages = answer.get("Messages", [])
        for message in messages:
            self._handle(message)
        if messages:
            # An entry that could not be deleted comes again, and is then a duplicate.
            self._client.delete_message_batch(
                QueueUrl=self._queue_url,
                Entries=[
                    {"Id": str(position), "ReceiptHandle": message["ReceiptHandle"]}
                    for position, message in enumerate(messages)
                ],
            )

    def _handle(self, message: MessageTypeDef) -> None:
        event = _event(message.get("Body", ""))
        if event is None:
            self.malformed += 1
        elif event["id"] in self._seen:
            self.duplicates += 1
        else:
            self._on_alert(event)
            self.received += 1
            self._seen[event["id"]] = None
            if len(self._seen) > IDS_REMEMBERED:
                self._seen.popitem(last=False)


def _event(body: str) -> dict[str, Any] | None:
    """The event in a message, or None where the body is none."""
    try:
        event = json.loads(body)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("id"), str) else None
