"""Where the dead letters of a stream source lie: rtp's list in Redis, the failure queue, behind the alerts' queues."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from core.errors import SinkUnavailable
from core.letters.failure import failed_alert, failure_in_queue, failure_in_redis
from core.redis_names import DEAD_LETTERS
from core.sinks.registry import destinations
from core.sinks.sink_type import needing
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    import redis
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from core.letters.failure import Failure
    from core.services.dead_letter_queue import DeadLetterQueue
    from core.settings.models import Settings


_MOST_HELD = 10_000
"""Messages of a queue: what is beyond them is there the next time."""


class Box(Protocol):
    """One place of letters. Every method raises SinkUnavailable where it does not answer, or refuses."""

    @property
    def place(self) -> str:
        """What it is called."""

    def count(self) -> int:
        """About how many letters there are."""

    def hold(self) -> AbstractContextManager[list[tuple[Failure, str]]]:
        """Its letters, the oldest first, each with its body; a queue shows them to nobody else meanwhile."""

    def delete(self, failure: Failure) -> None:
        """Remove one that is held."""

    def send_back(self, failure: Failure) -> None:
        """Put an alert that is held into its own queue again."""


class RedisBox:
    """rtp's list: the newest first, so it is read from its end."""

    place = DEAD_LETTERS

    def __init__(self, client: redis.Redis, address: str) -> None:
        self._client = client
        self._address = address
        self._held: dict[str, str] = {}

    def count(self) -> int:
        with redis_errors(self._address, SinkUnavailable):
            return int(self._client.llen(DEAD_LETTERS))

    @contextmanager
    def hold(self) -> Iterator[list[tuple[Failure, str]]]:
        with redis_errors(self._address, SinkUnavailable):
            found: Any = self._client.lrange(DEAD_LETTERS, 0, -1)
        letters = [(failure_in_redis(body, self.place), body) for body in map(bytes.decode, reversed(found))]
        self._held = {failure.id: body for failure, body in letters}
        yield letters

    def delete(self, failure: Failure) -> None:
        with redis_errors(self._address, SinkUnavailable):
            self._client.lrem(DEAD_LETTERS, 0, self._held[failure.id])

    def send_back(self, failure: Failure) -> None:
        raise NotImplementedError(f"no alert lies in Redis: {failure.what}")


class QueueBox:
    """A queue: of failures, or, with a `sink`, of alerts that no consumer deleted."""

    def __init__(self, queue: DeadLetterQueue, sink: str | None = None) -> None:
        self.place = queue.name
        self._queue = queue
        self._sink = sink
        self._held: dict[str, MessageTypeDef] = {}

    def count(self) -> int:
        return self._queue.count()

    @contextmanager
    def hold(self) -> Iterator[list[tuple[Failure, str]]]:
        self._held = {}
        with self._queue.hold() as messages:
            yield [self._seen(message) for message in islice(messages, _MOST_HELD)]

    def _seen(self, message: MessageTypeDef) -> tuple[Failure, str]:
        self._held[message["MessageId"]] = message
        failure = (
            failure_in_queue(message, self.place)
            if self._sink is None
            else failed_alert(message, self.place, self._sink)
        )
        return failure, message.get("Body", "")

    def delete(self, failure: Failure) -> None:
        self._queue.delete(self._held[failure.id])

    def send_back(self, failure: Failure) -> None:
        self._queue.send_back(self._held[failure.id])


def failure_queue(settings: Settings, name: str) -> QueueBox:
    """The failure queue of that name. Raises SettingsError, and SinkUnavailable where it cannot be reached."""
    with needing("aws", "the settings name an SQS queue"):
        from core.services.dead_letter_queue import open_queue  # noqa: PLC0415 - boto3 is an extra
        from core.services.sqs_client import sqs_client  # noqa: PLC0415
    return QueueBox(open_queue(sqs_client(settings.sqs), name))


def open_boxes(settings: Settings, store: redis.Redis, address: str, problems: list[str]) -> Iterable[Box]:
    """All of them. Which could not be reached is added to `problems`, a line each."""
    yield RedisBox(store, address)
    try:
        if settings.dynamodb.dead_letter_queue:
            yield failure_queue(settings, settings.dynamodb.dead_letter_queue)
    except SinkUnavailable as error:
        problems.append(f"{error}. What may lie there is left out")
    known: set[str] = set()
    for destination in destinations(settings):
        if destination.find_dead_letter_queue is None:
            continue
        try:
            queue = destination.find_dead_letter_queue()
        except SinkUnavailable as error:
            problems.append(f"{error}. What may lie in its dead letter queue is left out")
            continue
        if queue is not None and queue.url not in known:
            known.add(queue.url)
            yield QueueBox(queue, destination.sink)
