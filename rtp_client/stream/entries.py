"""The entries of the Redis stream: reading them page by page from either end, and finding one."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from rtp_client.event import SEQUENCE_DIGITS, log_of
from rtp_client.keys import STREAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

BEGINNING = "0-0"
PAGE = 500
# How far apart two copies of one event can be: a crash repeats the batch in hand (10,000 at most) and what was
# delivered since the cursor was last written (50 ms, about 2,000 events at full speed).
REDELIVERY_REACH = 20_000


class StreamEntry(NamedTuple):
    """One entry; somebody else's may lack the fields."""

    id: str
    fields: dict[bytes, bytes]

    @property
    def sequence(self) -> int:
        """The event's sequence, or -1."""
        digits = self.fields.get(b"sequence", b"")
        return int(digits) if digits.isdigit() and len(digits) <= SEQUENCE_DIGITS else -1

    @property
    def document(self) -> bytes:
        """The event as it was published."""
        return self.fields.get(b"event", b"")

    @property
    def order(self) -> tuple[int, int]:
        """What Redis orders entries by."""
        return id_order(self.id)


def id_order(entry_id: str) -> tuple[int, int]:
    """An entry's id as Redis compares it: milliseconds of Unix time, then a count within them."""
    milliseconds, _, count = entry_id.partition("-")
    return int(milliseconds), int(count)


def text(entry_id: bytes | str) -> str:
    """An id from an answer; which type it has depends on the client's settings."""
    return entry_id if isinstance(entry_id, str) else entry_id.decode("ascii")


def parse(answer: Any) -> list[StreamEntry]:
    """Entries from a client's answer."""
    return [StreamEntry(text(entry_id), fields) for entry_id, fields in answer]


def entries(client: redis.Redis, *, after: str = BEGINNING, newest_first: bool = False) -> Iterator[StreamEntry]:
    """All entries, a page at a time; those after a position, or all from the newest to the oldest."""
    edge = "+" if newest_first else f"({after}"
    while True:
        answer: Any = (
            client.xrevrange(STREAM, max=edge, count=PAGE)
            if newest_first
            else client.xrange(STREAM, min=edge, count=PAGE)
        )
        page = parse(answer)
        yield from page
        if len(page) < PAGE:
            return
        edge = f"({page[-1].id}"


def last_entry(client: redis.Redis) -> StreamEntry | None:
    """The newest entry."""
    return next(entries(client, newest_first=True), None)


def newest_sequences(client: redis.Redis) -> dict[str, int]:
    """The highest sequence of each log among the newest entries: a late transaction's low ones may be the very last."""
    highest: dict[str, int] = {}
    for entry in islice(entries(client, newest_first=True), PAGE):
        log = log_of(entry.document)
        highest[log] = max(highest.get(log, 0), entry.sequence)
    return highest


def entry_at(client: redis.Redis, entry_id: str) -> StreamEntry | None:
    """The entry of that id."""
    answer: Any = client.xrange(STREAM, min=entry_id, max=entry_id)
    return next(iter(parse(answer)), None)


def find(client: redis.Redis, sequence: int, log: str | None = None) -> StreamEntry | None:
    """The entry of that sequence, searched from the newest; the first copy, as others may stand between two copies.

    Without a log it is of the log that had such a sequence last.
    """
    found: StreamEntry | None = None
    passed = 0
    for entry in entries(client, newest_first=True):
        if entry.sequence == sequence and (
            log in (None, log_of(entry.document)) if found is None else entry.document == found.document
        ):
            found, passed = entry, 0
        elif found is not None:
            passed += 1
            if passed > REDELIVERY_REACH:
                break
    return found
