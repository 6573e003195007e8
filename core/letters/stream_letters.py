"""The dead letters of the stream source: records that can never be events, and events that SQS can never take.

They lie in Redis, until they are in a standard queue, where the settings name one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.redis_names import DEAD_LETTERS
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import redis
    from mypy_boto3_sqs import SQSClient

MOST_LETTERS = 10_000
_MOST_BYTES = 1_000_000  # a message of SQS is at most 1 MiB; a record can hold two images of 400 KB


@dataclass(frozen=True)
class StreamLetter:
    """What cannot be used, and why: a stream's record, or an event's document."""

    reason: str
    record: Mapping[str, Any] | None = None
    event: str | None = None

    def body(self) -> str:
        """The message: all of it, where one of SQS's can be so long."""
        text = json.dumps({"reason": self.reason, "record": self.record, "event": self.event}, default=str)
        return text if len(text) <= _MOST_BYTES else self.short_body()

    def short_body(self) -> str:
        """A message that names what it is about: a record by its keys and place, an event by its id."""
        if self.event is not None:
            envelope = {name: part for name, part in json.loads(self.event).items() if name != "data"}
            return json.dumps({"reason": self.reason, "event": json.dumps(envelope), "is_shortened": True})
        record = self.record if isinstance(self.record, dict) else {}
        inner = record.get("dynamodb") or {}
        short = {
            **{name: record.get(name) for name in ("eventID", "eventName", "eventSourceARN")},
            "dynamodb": {name: inner.get(name) for name in ("Keys", "SequenceNumber", "ApproximateCreationDateTime")},
        }
        return json.dumps({"reason": self.reason, "record": short, "is_shortened": True}, default=str)[:_MOST_BYTES]


class RedisLetters:
    """A list in Redis, the newest first. `most` is how many it keeps; None: all, as a queue takes them soon.

    Every method raises SinkUnavailable.
    """

    def __init__(self, client: redis.Redis, address: str, *, most: int | None = MOST_LETTERS) -> None:
        self._client = client
        self._address = address
        self._most = most

    def bury(self, letter: StreamLetter) -> None:
        """Add one."""
        body = letter.body()
        with redis_errors(self._address, SinkUnavailable):
            self._client.lpush(DEAD_LETTERS, body)
            if self._most is not None:
                self._client.ltrim(DEAD_LETTERS, 0, self._most - 1)

    def oldest(self, most: int) -> list[str]:
        """The bodies of the oldest, these first."""
        with redis_errors(self._address, SinkUnavailable):
            found: Any = self._client.lrange(DEAD_LETTERS, -most, -1)
        return [body.decode() if isinstance(body, bytes) else str(body) for body in reversed(found)]

    def remove(self, body: str) -> None:
        """Take one away. What somebody else has taken away meanwhile is none of this one's business."""
        with redis_errors(self._address, SinkUnavailable):
            self._client.lrem(DEAD_LETTERS, -1, body)


class QueueLetters:
    """A standard queue. The same one can be the on-failure destination of the event source mapping."""

    def __init__(self, client: SQSClient, queue: str) -> None:
        self._client = client
        self._queue = queue
        self._queue_url = ""

    def send(self, body: str) -> None:
        """Send a letter's body, or a short one where the queue takes none so long. Raises SinkUnavailable."""
        from core.services.aws_words import code_of  # noqa: PLC0415 - a cold start need not pay for it
        from core.services.sqs_answers import FINAL, NO_ANSWER, queue_unavailable  # noqa: PLC0415 - as above

        try:
            if not self._queue_url:
                self._queue_url = self._client.get_queue_url(QueueName=self._queue)["QueueUrl"]
            try:
                self._client.send_message(QueueUrl=self._queue_url, MessageBody=body)
            except NO_ANSWER as error:
                if code_of(error) not in FINAL:
                    raise
                letter = json.loads(body)
                short = StreamLetter(letter["reason"], letter.get("record"), letter.get("event")).short_body()
                self._client.send_message(QueueUrl=self._queue_url, MessageBody=short)
        except NO_ANSWER as error:
            raise queue_unavailable(self._client.meta, self._queue, error) from error
