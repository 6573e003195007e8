"""SqsSink: alerts on an SQS FIFO queue, ordered per partition key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

from core.errors import SinkUnavailable
from core.leading.epoch import UNFENCED, Epoch
from core.services.answer_timeout import AnswerTimeout
from core.sinks import Outcome, Rejection
from rtp_client.keys import sqs_group_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        BatchResultErrorEntryTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

    from core.settings.models import SqsSettings
    from rtp_client.event import Event

# Amazon SQS message quotas: a batch is at most 10 messages and 1 MiB in all, a message at most 1 MiB.
BATCH_MESSAGES = 10
BATCH_BYTES = 1_048_576
# Requests under way at a time. An answer from SQS takes milliseconds: one after the other they would be all the time.
LANES = 4
# Between reads of a stream; a lone event goes at once. Requests cost the same with one message as with ten: at 1,000
# events a second this fills them, where 10 ms did not.
POLL_INTERVAL_SECONDS = 0.025

# What SQS will never take. `SenderFault` does not tell: throttled entries carry it, too.
_FINAL = frozenset(
    {
        "InvalidAttributeValue",
        "InvalidMessageContents",
        "InvalidParameterValue",
        "MissingParameter",
        "UnsupportedOperation",
    }
)
# Errors of a whole request that one of its entries may have caused: sent singly, the others go in.
_OF_AN_ENTRY = _FINAL | {
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
_PASSING = frozenset({"ThrottlingException", "RequestThrottled", "OverLimit", "Throttling", "KmsThrottled"})


class SqsSink:
    """Sends each event as one message: group = partition key, deduplication id = event id.

    `quick_client` waits less for an answer than `client`; `core.services.answer_timeout` says which is used when.
    """

    service = "SQS"

    def __init__(
        self,
        settings: SqsSettings,
        client: SQSClient,
        *,
        quick_client: SQSClient | None = None,
        queue: str | None = None,
        name: str = "sqs",
    ) -> None:
        self.name = name
        self.queue = queue or settings.queue or ""
        self.address = f"{client.meta.endpoint_url} {self.queue}"
        self.batch_size = settings.batch_size
        self.poll_interval_seconds = POLL_INTERVAL_SECONDS
        self.epoch: Epoch = UNFENCED
        self._slow_client = client
        self._quick_client = quick_client or client
        self._answer_timeout = AnswerTimeout(settings.timeout_seconds)
        self._senders = ThreadPoolExecutor(LANES, thread_name_prefix=f"rtp-{name}-send")
        self._queue_url = ""

    @property
    def _client(self) -> SQSClient:
        return self._slow_client if self._answer_timeout.is_long else self._quick_client

    def open(self) -> None:
        """Find the queue. Raises SinkUnavailable."""
        try:
            self._queue_url = self._client.get_queue_url(QueueName=self.queue)["QueueUrl"]
        except NO_ANSWER as error:
            raise self._unavailable(error) from error

    def deliver(self, events: Sequence[Event]) -> Outcome:
        """Send in batches, some at a time. A group whose message failed gets nothing more this time; others go on."""
        if not self._queue_url:
            self.open()
        sendable: list[Event] = []
        delivery = _Delivery([])
        for event in events:
            if (size := _size(event)) <= BATCH_BYTES:
                sendable.append(event)
            else:
                error = f"the message has {size} bytes, SQS takes {BATCH_BYTES}"
                delivery.rejected.append(Rejection(event, error))
        for lane in self._send_lanes(_lanes(sendable)):
            delivery.add(lane)
        if delivery.broken is not None:
            if not delivery.has_results:
                raise self._unavailable(delivery.broken) from delivery.broken
            self._note(delivery.broken)
        return delivery.outcome(sendable)

    def _send_lanes(self, lanes: Sequence[Sequence[Event]]) -> list[_Delivery]:
        if len(lanes) <= 1:
            return [self._send_lane(lane) for lane in lanes]
        sending = [self._senders.submit(self._send_lane, lane) for lane in lanes]
        wait(sending)  # all of them, whatever one has come to: nothing may be under way when the next call begins
        return [lane.result() for lane in sending]

    def _send_lane(self, events: Sequence[Event]) -> _Delivery:
        delivery = _Delivery([])
        for batch in _batches(events):
            entries = [event for event in batch if event.partitionkey not in delivery.failed]
            if entries and not self._send(entries, delivery):
                break
        return delivery

    def _send(self, batch: Sequence[Event], delivery: _Delivery) -> bool:
        """Send one batch; false where SQS as a whole does not answer."""
        entries = [_entry(str(index), event) for index, event in enumerate(batch)]
        # SQS cannot refuse an epoch of before, so this must be the last thing before the call (docs/standby.md).
        self.epoch.check()
        try:
            answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            sent = [batch[int(success["Id"])] for success in answer.get("Successful", ())]
            failed = [(batch[int(failure["Id"])], failure, failure["Code"]) for failure in answer.get("Failed", ())]
        except NO_ANSWER as error:
            if _code(error) in _OF_AN_ENTRY:
                return self._send_singly(batch, error, delivery)
            # Where some events are in already, say which are not, rather than raise and have all of them sent again.
            delivery.broken, delivery.cause = error, reason(error)
            return False
        delivery.sent.update(event.id for event in sent)
        for event, failure, _ in failed:
            delivery.note_failure(event, failure)
        told = {event.id for event in sent} | {event.id for event, _, _ in failed}
        delivery.note_untold([event for event in batch if event.id not in told])
        return True

    def _send_singly(self, batch: Sequence[Event], error: Exception, delivery: _Delivery) -> bool:
        """One of a refused batch may be to blame: its neighbours must not suffer. No two are of one group."""
        if len(batch) > 1:
            return all(self._send([event], delivery) for event in batch)
        delivery.note_refusal(batch[0], reason(error), is_final=False)
        return True

    def close(self) -> None:
        """Give the connections back."""
        self._senders.shutdown()
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
        return unavailable(self.address, error)


@dataclass
class _Delivery:
    """What is known so far of one call of `deliver`."""

    rejected: list[Rejection]
    sent: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    cause: str = ""
    broken: Exception | None = None

    def add(self, other: _Delivery) -> None:
        """What another one knows, too, of other groups."""
        self.rejected += other.rejected
        self.sent |= other.sent
        self.failed |= other.failed
        self.cause = other.cause or self.cause
        self.broken = other.broken or self.broken

    @property
    def has_results(self) -> bool:
        return bool(self.sent or self.rejected or self.failed)

    def note_failure(self, event: Event, failure: BatchResultErrorEntryTypeDef) -> None:
        cause, code = f"{failure['Code']}: {failure.get('Message', '')}", failure["Code"].rpartition(".")[2]
        if code in _FINAL or (failure.get("SenderFault") and code not in _PASSING):
            self.note_refusal(event, cause, is_final=code in _FINAL)
        else:
            self.failed.add(event.partitionkey)
            self.cause = cause

    def note_untold(self, events: Sequence[Event]) -> None:
        """The answer names them neither way: as good as failed, and nothing of their groups may pass them."""
        if events:
            self.failed.update(event.partitionkey for event in events)
            self.cause = "the answer does not say what became of every message"

    def note_refusal(self, event: Event, cause: str, *, is_final: bool) -> None:
        self.rejected.append(Rejection(event, cause, is_final))
        if not is_final:
            self.failed.add(event.partitionkey)
            self.cause = cause

    def outcome(self, events: Sequence[Event]) -> Outcome:
        dead = {refusal.event.id for refusal in self.rejected if refusal.is_final}
        undelivered = [event for event in events if event.id not in self.sent and event.id not in dead]
        return Outcome(undelivered, self.rejected, self.cause)


def _lanes(events: Sequence[Event]) -> list[list[Event]]:
    """Events that may be sent at the same time: a group is in one lane. Ten groups a lane in turn fill batches."""
    lanes: list[list[Event]] = [[] for _ in range(min(LANES, -(-len(events) // BATCH_MESSAGES)))]
    lane_of: dict[str, list[Event]] = {}
    for event in events:
        lane_of.setdefault(event.partitionkey, lanes[len(lane_of) // BATCH_MESSAGES % len(lanes)]).append(event)
    return [lane for lane in lanes if lane]


def _batches(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Batches within SQS's bounds, each with at most one event of a partition key.

    SQS accepts or refuses each entry of a batch by itself: two events of one group in one batch could leave the second
    in the queue without the first, and nothing sent can be taken back.
    """
    waiting = list(events)
    while waiting:
        batch: list[Event] = []
        later: list[Event] = []
        groups: set[str] = set()
        size = 0
        for event in waiting:
            is_next = len(batch) < BATCH_MESSAGES and event.partitionkey not in groups
            if is_next and size + (its_size := _size(event)) <= BATCH_BYTES:
                batch.append(event)
                size += its_size
            else:
                later.append(event)
            groups.add(event.partitionkey)
        yield batch
        waiting = later


def _entry(entry_id: str, event: Event) -> SendMessageBatchRequestEntryTypeDef:
    entry: SendMessageBatchRequestEntryTypeDef = {
        "Id": entry_id,
        "MessageBody": _body(event).decode(),
        "MessageGroupId": sqs_group_id(event.partitionkey),
        "MessageDeduplicationId": event.id,
    }
    if trace := _trace(event):
        entry["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": value} for name, value in trace.items()
        }
    return entry


def _trace(event: Event) -> dict[str, str]:
    """The trace context once more as message attributes: where consumers' OpenTelemetry looks for it."""
    if event.traceparent is None:
        return {}
    return {"traceparent": event.traceparent} | ({"tracestate": event.tracestate} if event.tracestate else {})


def _size(event: Event) -> int:
    """What SQS counts: the body, and each attribute's name, type and value."""
    return len(_body(event)) + sum(len(f"{name}String{value}") for name, value in _trace(event).items())


def _body(event: Event) -> bytes:
    # SQS takes all of Unicode but U+FFFE and U+FFFF, which JSON can write in ASCII.
    return event.json_bytes.replace(b"\xef\xbf\xbe", rb"\ufffe").replace(b"\xef\xbf\xbf", rb"\uffff")


def unavailable(address: str, error: Exception) -> SinkUnavailable:
    """An error of the client library as rtp's own; it tells whether all of SQS is concerned, or this queue alone."""
    status = (
        error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) if isinstance(error, ClientError) else 0
    )
    concerns_queue = 400 <= status < 500 and status != 429 and _code(error) not in _PASSING
    return SinkUnavailable("SQS", address, reason(error), is_service_down=not concerns_queue)


def _code(error: Exception) -> str:
    code: str = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    return code.rpartition("#")[2].rpartition(".")[2]


def reason(error: Exception) -> str:
    """What a client library said, on one line."""
    if not isinstance(error, (ClientError, BotoCoreError)):
        return f"its answer makes no sense ({type(error).__name__}: {error})"
    return " ".join(str(error).split())
