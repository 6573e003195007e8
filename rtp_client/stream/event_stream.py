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
from rtp_client.stream.ends import gap_at, is_of, position_of
from rtp_client.stream.entries import (
    BEGINNING,
    PAGE,
    REDELIVERY_REACH,
    StreamEntry,
    entries,
    entry_at,
    find,
    last_entry,
    parse,
)
from rtp_client.stream.gap import Gap, GapReason
from rtp_client.stream.position import EMPTY_STREAM, Position
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
    position: Position
    """Where to go on behind it, also in another process."""


def _ignore(_told: object) -> None:
    """Tell nobody."""


class EventStream:
    """A reader of the stream. `on_notice` is told about gaps and lost connections, in one line each.

    `on_live` is told False where Redis is lost, and True once it answers again.
    """

    def __init__(
        self,
        url: str,
        *,
        on_notice: Callable[[str], None] = _ignore,
        on_live: Callable[[bool], None] = _ignore,
        backoff: Backoff = RETRY,
        timeout_seconds: float = 5,
    ) -> None:
        self.address = redact(url)
        self._notice = on_notice
        self._tell_live = on_live
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

    def follow(self, since: int | Position | None = None) -> Iterator[TailedEvent]:
        """Every event delivered from this call on, or behind `since`; then whatever comes.

        `since` is the position of an event that was followed before, or an event's sequence; 0 means all that Redis
        holds. No event id comes twice. Raises ServiceUnavailable where Redis does not answer now, or refuses; a
        connection that is lost later is made again, and the stream goes on where it was.
        """
        if isinstance(since, Position):
            position, gap = self.behind(since)
            if gap:
                self._notice(gap.message)
            return self._events_after(position.entry)
        with redis_errors(self.address):
            return self._events_after(self._end().entry if since is None else self._entry_before(since))

    def end(self) -> Position:
        """Where the stream ends now."""
        with redis_errors(self.address):
            return self._end()

    def behind(self, position: Position) -> tuple[Position, Gap | None]:
        """Where to go on behind a position; with a gap where the stream does not have that very entry.

        Its event may stand elsewhere in the stream, and that is where to go on; else it is the stream's end.
        """
        with redis_errors(self.address):
            if position.is_oldest:
                return EMPTY_STREAM, None
            if position == EMPTY_STREAM:
                return self._behind_nothing()
            there = entry_at(self._client, position.entry)
            if there is None or not is_of(there, position):
                return self._behind_another_place(position)
            self._resume_behind(there)
            return position, None

    def told_after(self, position: Position) -> Iterator[TailedEvent | Gap]:
        """As `follow`, behind a place that `end` or `behind` gave; gaps are told among the events."""
        return self._told_after(_entry_of(position))

    def _end(self) -> Position:
        newest = last_entry(self._client)
        if newest is None:
            return EMPTY_STREAM
        self._note_log(newest)
        return position_of(newest)

    def _behind_nothing(self) -> tuple[Position, Gap | None]:
        if not self._client.exists(STREAM) or not self._was_trimmed():
            return EMPTY_STREAM, None
        message = "the stream was empty, and the events that came first are no longer in Redis"
        return EMPTY_STREAM, Gap(GapReason.TOO_OLD, message, EMPTY_STREAM)

    def _behind_another_place(self, position: Position) -> tuple[Position, Gap]:
        there = find(self._client, position.sequence, position.log)
        if there is None:
            return self._end_after(position)
        self._resume_behind(there)
        found = position_of(there)
        # Redelivered, it may stand behind events that nobody has seen.
        message = "the stream was filled anew since; going on behind the same event, before which others may be missing"
        return found, Gap(GapReason.STREAM_LOST, message, found)

    def _end_after(self, position: Position) -> tuple[Position, Gap]:
        end = self._end()
        if any(log_of(entry.document) == position.log for entry in entries(self._client)):
            message = f"sequence {position.sequence} is no longer in Redis; going on with new events"
            return end, Gap(GapReason.TOO_OLD, message, end)
        message = f"Redis holds nothing of the log {position.log or 'of that stream'}; going on with new events"
        return end, Gap(GapReason.ANOTHER_LOG, message, end)

    def _resume_behind(self, entry: StreamEntry) -> None:
        self._note_log(entry)
        if event := self._event(entry):
            self._seen.add(event.id)  # a caller that asks since an event has seen that event

    def _entry_before(self, sequence: int) -> str:
        if sequence and (entry := find(self._client, sequence)):
            self._resume_behind(entry)
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
        for told in self._told_after(position):
            if isinstance(told, Gap):
                self._notice(told.message)
            else:
                yield told

    def _told_after(self, position: str) -> Iterator[TailedEvent | Gap]:
        failures = 0
        try:
            while not self._closed.is_set():
                try:
                    gap, page = self._read(position)
                except redis.RedisError as error:
                    failures += 1
                    self._wait_before_retry(failures, error)
                    continue
                if failures:
                    failures = 0
                    self._notice("Redis answers again")
                    self._tell_live(True)
                if gap:
                    position = _entry_of(gap.position)
                    yield gap
                for entry in page:
                    position = entry.id
                    self._note_log(entry)
                    if (event := self._event(entry)) and self._seen.add(event.id):
                        yield TailedEvent(event, entry.document, entry.order[0], position_of(entry))
        finally:
            self._disconnect()

    def _wait_before_retry(self, failures: int, error: redis.RedisError) -> None:
        is_refusal = isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError)
        if is_refusal or not isinstance(error, redis.ConnectionError | redis.TimeoutError):
            raise redis_unavailable(self.address, error) from error  # waiting would not help
        if failures == 1:
            self._notice(f"{redis_unavailable(self.address, error)}; trying again")
            self._tell_live(False)
        self._closed.wait(self._backoff.wait_seconds(failures))

    def _read(self, position: str) -> tuple[Gap | None, list[StreamEntry]]:
        """Wait for entries after the position, and read a page; or a gap, behind which to go on.

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
        gap = gap_at(ends, position)
        return gap, [] if gap else parse(answers[-1])

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


def _entry_of(position: Position) -> str:
    return BEGINNING if position.is_oldest else position.entry
