"""SqsSink: alerts on an SQS FIFO queue, ordered per partition key."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, ReadTimeoutError

from core.leading.epoch import UNFENCED, Epoch
from core.services.aws_words import code_of
from core.services.sqs_answers import (
    FINAL,
    NO_ANSWER,
    OF_AN_ENTRY,
    PASSING,
    queue_address,
    queue_unavailable,
    reason,
)
from core.sinks import Sink
from core.sinks.lanes import Lanes
from core.sinks.send_results import SendResults
from core.sinks.sqs.messages import BATCH_BYTES, BATCH_FORM, batch_entry, message_size
from rtp_client.answer_timeout import AnswerTimeout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs.type_defs import (
        BatchResultErrorEntryTypeDef,
        SendMessageBatchRequestEntryTypeDef,
        SendMessageBatchResultTypeDef,
    )

    from core.errors import SinkUnavailable
    from core.services.queue_client import QueueClient
    from core.settings.models import SqsSettings
    from core.sinks import Outcome
    from rtp_client.event import Event

# Requests under way at a time. An answer from SQS takes milliseconds: one after the other they would be all the time.
LANES = 4
# Between reads of a stream; a lone event goes at once. Requests cost the same with one message as with ten: at 1,000
# events a second this fills them, where 10 ms did not.
POLL_INTERVAL_SECONDS = 0.025


class SqsSink(Sink):
    """Sends each event as one message: group = partition key, deduplication id = event id.

    `quick_client` waits less for an answer than `client`; `rtp_client.answer_timeout` says which is used when.
    """

    service = "SQS"

    def __init__(
        self,
        settings: SqsSettings,
        client: QueueClient,
        *,
        quick_client: QueueClient | None = None,
        queue: str | None = None,
        name: str = "sqs",
    ) -> None:
        self.name = name
        self.queue = queue or settings.queue or ""
        self.address = queue_address(client.meta, self.queue)
        self.batch_size = settings.batch_size
        self.poll_interval_seconds = POLL_INTERVAL_SECONDS
        self.epoch: Epoch = UNFENCED
        self._slow_client = client
        self._quick_client = quick_client or client
        self._answer_timeout = AnswerTimeout(settings.timeout_seconds)
        self._queue_url = ""
        self.handover: Lanes = Lanes(self._send_batch, BATCH_FORM, most=LANES, name=name)

    @property
    def _client(self) -> QueueClient:
        return self._slow_client if self._answer_timeout.is_long else self._quick_client

    def open(self) -> None:
        """Find the queue. Raises SinkUnavailable."""
        try:
            self._queue_url = self._client.get_queue_url(QueueName=self.queue)["QueueUrl"]
        except NO_ANSWER as error:
            raise self._unavailable(error) from error

    def deliver(self, events: Sequence[Event]) -> Outcome:
        """Send in batches, some at a time. A group whose message failed gets nothing more this time; others go on."""
        return self.handover.deliver(events)

    def _send_batch(self, events: Sequence[Event]) -> Outcome:
        """Send a batch that a lane has taken."""
        if not self._queue_url:
            self.open()
        results = SendResults()
        if len(events) == 1 and (size := message_size(events[0])) > BATCH_BYTES:  # beside no other it fits in a batch
            error = f"the message has {size} bytes, SQS takes {BATCH_BYTES}"
            results.note_refused(events[0], error, is_final=True)
        else:
            self._send(events, results)
        if results.broken is not None:
            if not results.has_results:
                raise self._unavailable(results.broken) from results.broken
            self._note(results.broken)
        return results.outcome(events)

    def _send(self, batch: Sequence[Event], results: SendResults) -> bool:
        """Send one batch; false where SQS as a whole does not answer."""
        entries = [batch_entry(str(index), event) for index, event in enumerate(batch)]
        try:
            answer = self._ask(entries)
            sent = [batch[int(success["Id"])] for success in answer.get("Successful", ())]
            failed = [(batch[int(failure["Id"])], failure, failure["Code"]) for failure in answer.get("Failed", ())]
        except NO_ANSWER as error:
            if code_of(error) in OF_AN_ENTRY:
                return self._send_singly(batch, error, results)
            # Where some events are in already, say which are not, rather than raise and have all of them sent again.
            results.note_broken(error, reason(error))
            return False
        results.note_sent(sent)
        for event, failure, _ in failed:
            _note_failure(results, event, failure)
        told = {event.id for event in sent} | {event.id for event, _, _ in failed}
        untold = [event for event in batch if event.id not in told]  # neither way: as good as failed
        results.note_failed(untold, "the answer does not say what became of every message")
        return True

    def _ask(self, entries: Sequence[SendMessageBatchRequestEntryTypeDef]) -> SendMessageBatchResultTypeDef:
        with suppress(ConnectionClosedError):
            return self._ask_once(entries)
        # SQS may have closed a kept connection a moment ago. What it has got nevertheless it knows by its ids.
        return self._ask_once(entries)

    def _ask_once(self, entries: Sequence[SendMessageBatchRequestEntryTypeDef]) -> SendMessageBatchResultTypeDef:
        # SQS cannot refuse an epoch of before, so this must be the last thing before each request
        # (docs/explanation/standby.md).
        self.epoch.check()
        return self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)

    def _send_singly(self, batch: Sequence[Event], error: Exception, results: SendResults) -> bool:
        """One of a refused batch may be to blame: its neighbours must not suffer. No two are of one group."""
        if len(batch) > 1:
            return all(self._send([event], results) for event in batch)
        results.note_refused(batch[0], reason(error), is_final=False)
        return True

    def close(self) -> None:
        self.handover.close()
        self._drop_connections()

    def _drop_connections(self) -> None:
        for client in {self._quick_client, self._slow_client}:
            client.close()

    def _note(self, error: Exception) -> None:
        if isinstance(error, (ReadTimeoutError, ConnectTimeoutError)):
            self._answer_timeout.note_silence()
            self._drop_connections()  # what both have kept may be as dead; they make new ones

    def _unavailable(self, error: Exception) -> SinkUnavailable:
        self._note(error)
        return queue_unavailable(self._slow_client.meta, self.queue, error)


def _note_failure(results: SendResults, event: Event, failure: BatchResultErrorEntryTypeDef) -> None:
    cause, code = f"{failure['Code']}: {failure.get('Message', '')}", failure["Code"].rpartition(".")[2]
    if code in FINAL or (failure.get("SenderFault") and code not in PASSING):
        results.note_refused(event, cause, is_final=code in FINAL)
    else:
        results.note_failed([event], cause)
