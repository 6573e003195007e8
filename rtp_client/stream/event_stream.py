"""The Redis stream of delivered events, followed from any sequence: one mechanism for replay and for live.

The order of the stream is the order of delivery, and that is not the order of sequences: a long transaction delivers
its low sequences late. A position is therefore an entry of the stream, never a sequence.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import redis

from rtp_client.backoff import Backoff
from rtp_client.event import decode_event, log_of
from rtp_client.keys import STREAM
from rtp_client.redact import redact
from rtp_client.redis import redis_client, redis_errors, redis_unavailable
from rtp_client.stream.entries import (
    BEGINNING,
    PAGE,
    REDELIVERY_REACH,
    StreamEntry,
    entries,
    find,
    id_order,
    last_entry,
    parse,
    text,
)
from rtp_client.stream.recent_ids import RecentIds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rtp_client.event import Event

MAX_BLOCK_MS = 250
RETRY = Backoff(initial_seconds=0.1, max_seconds=5)


@dataclass(frozen=True)
class TailedEvent:
    """An event, the document exactly as it was published, and Redis's clock at delivery (Unix time, milliseconds)."""

    event: Event
    document: bytes
    delivered_at_ms: int


def _ignore(_notice: str) -> None:
    """Tell nobody."""


class EventStream:
    """A reader of the stream. `on_notice` is told about gaps and lost connections, in one line each."""

    def __init__(
        self,
        url: str,
        *,
        on_notice: Callable[[str], None] = _ignore,
        backoff: Backoff = RETRY,
        timeout_seconds: float = 5,
    ) -> None:
        self.address = redact(url)
        self._notice = on_notice
        self._backoff = backoff
        self._closed = threading.Event()
        self._seen = RecentIds(REDELIVERY_REACH)
        self._logs: list[str] = []
        self._client = redis_client(url, client_name="rtp-tail", timeout_seconds=timeout_seconds)
        self._block_ms = min(MAX_BLOCK_MS, int(timeout_seconds * 500))  # well before the socket gives up

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End `follow`, from any thread, within a second; give the connections back."""
        self._closed.set()
        self._disconnect()

    def follow(self, since: int | None = None) -> Iterator[TailedEvent]:
        """Every event delivered from this call on, or after the event with sequence `since`; then whatever comes.

        0 means all that Redis holds. No event id comes twice. Raises ServiceUnavailable where Redis does not answer
        now, or refuses; a connection that is lost later is made again, and the stream goes on where it was.
        """
        with redis_errors(self.address):
            position = self._end() if since is None else self._position_after(since)
        return self._events_after(position)

    def _end(self) -> str:
        newest = last_entry(self._client)
        if newest is None:
            return BEGINNING
        self._note_log(newest)
        return newest.id

    def _position_after(self, sequence: int) -> str:
        if sequence and (entry := find(self._client, sequence)):
            self._note_log(entry)
            if event := self._event(entry):
                self._seen.add(event.id)  # a caller that asks since an event has seen that event
            return entry.id
        before = BEGINNING
        for entry in entries(self._client):
            if entry.sequence > sequence:
                self._tell_where_it_starts(sequence, entry.sequence, is_oldest=before == BEGINNING)
                return before
            before = entry.id
        if sequence:
            self._notice(f"Redis holds neither sequence {sequence} nor a later one; waiting for new events")
        return before

    def _tell_where_it_starts(self, sequence: int, start: int, *, is_oldest: bool) -> None:
        if not is_oldest:
            self._notice(f"sequence {sequence} is not in Redis; starting at sequence {start}")
        elif start > sequence + 1 and (sequence or self._was_trimmed()):
            self._notice(f"the stream begins at sequence {start}; older events are no longer in Redis")

    def _was_trimmed(self) -> bool:
        """Whether the stream held more than it does; of a Redis that does not tell (before 7.0), it may have."""
        ends: Any = self._client.xinfo_stream(STREAM)
        return bool(ends.get("entries-added") != ends["length"])

    def _events_after(self, position: str) -> Iterator[TailedEvent]:
        failures = 0
        try:
            while not self._closed.is_set():
                try:
                    position, page = self._read(position)
                except redis.RedisError as error:
                    failures += 1
                    self._wait_before_retry(failures, error)
                    continue
                if failures:
                    failures = 0
                    self._notice("Redis answers again")
                for entry in page:
                    position = entry.id
                    self._note_log(entry)
                    if (event := self._event(entry)) and self._seen.add(event.id):
                        yield TailedEvent(event, entry.document, entry.order[0])
        finally:
            self._disconnect()

    def _wait_before_retry(self, failures: int, error: redis.RedisError) -> None:
        is_refusal = isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError)
        if is_refusal or not isinstance(error, redis.ConnectionError | redis.TimeoutError):
            raise redis_unavailable(self.address, error) from error  # waiting would not help
        if failures == 1:
            self._notice(f"{redis_unavailable(self.address, error)}; trying again")
        self._closed.wait(self._backoff.wait_seconds(failures))

    def _read(self, position: str) -> tuple[str, list[StreamEntry]]:
        """Wait for entries after the position, and read a page; or no entry, and a new position if the stream was lost.

        One round trip: look at the stream's ends, wait (XREAD), read (XRANGE, whose answer is the same in every
        protocol version). The look comes first, or a reader that fell behind would not notice what was trimmed.
        """
        with self._client.pipeline(transaction=False) as pipe:
            pipe.xinfo_stream(STREAM)
            pipe.xread({STREAM: position}, count=1, block=self._block_ms)
            pipe.xrange(STREAM, min=f"({position}", count=PAGE)
            ends, *answers = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        checked = self._check_ends(ends, position)
        return checked, parse(answers[-1]) if checked == position else []

    def _check_ends(self, ends: Any, position: str) -> str:
        """Where to go on from. Says so where the stream no longer reaches back to the position, or not up to it."""
        if position == BEGINNING:
            return position
        if isinstance(ends, Exception):
            if "no such key" not in str(ends):
                raise ends
            self._notice("the stream is gone from Redis, with whatever was not shown yet; going on with new events")
            return BEGINNING
        newest = text(ends["last-generated-id"])
        if id_order(newest) < id_order(position):
            self._notice("the stream in Redis is not the one that was followed; going on with its new events")
            return newest
        oldest = parse([ends["first-entry"]] if ends["first-entry"] else [])
        if oldest and oldest[0].order > id_order(position):
            start = oldest[0].sequence
            self._notice(
                f"the stream now begins at sequence {start}; events before it left Redis before they were shown"
            )
        return position

    def _note_log(self, entry: StreamEntry) -> None:
        """Say where the events of another log begin; a log that was seen before only repeats some of its events."""
        log = log_of(entry.document)
        if log and log not in self._logs:
            if self._logs:
                change = f"from sequence {entry.sequence} on it is {log}, before it was {self._logs[-1]}"
                self._notice(f"the log has changed: {change}; sequences of the two do not compare")
            self._logs.append(log)

    def _event(self, entry: StreamEntry) -> Event | None:
        try:
            return decode_event(entry.document)
        except ValueError:
            self._notice(f"entry {entry.id} of the stream is not an event that this version of rtp can read; skipped")
            return None

    def _disconnect(self) -> None:
        # Not those in use: another thread may be reading from one.
        self._client.connection_pool.disconnect(inuse_connections=False)
