"""An entry of the cache: the hash's four fields, and what they say."""

from __future__ import annotations

import json
import time
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from rtp_client.cluster import in_slot
from rtp_client.event import SEQUENCE_DIGITS, decode_event, log_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtp_client.event import Event

FIELDS = ("sequence", "event", "current", "as_of")
NO_EVENT = "0" * SEQUENCE_DIGITS
"""The sequence of an entry that was filled from the table: every event is newer."""

_NAMES_WHAT_CHANGED = b'"reason":"changed"'
_READ = b"".join(b"$%d\r\n%b\r\n" % (len(field), field.encode()) for field in FIELDS)


class Source(StrEnum):
    """Where a reading comes from."""

    CACHE = "cache"
    LOCAL = "local"
    DATABASE = "database"


class Found(StrEnum):
    """What a look into Redis has found."""

    HIT = "hit"
    UNKNOWN = "unknown"
    PARTIAL = "partial"
    ABSENT = "absent"


@lru_cache(maxsize=65_536)
def read_command(key: str) -> bytes:
    """HMGET of an entry's fields, as it goes over the wire: the same bytes for every read of a key."""
    name = key.encode()
    return b"*%d\r\n$5\r\nHMGET\r\n$%d\r\n%b\r\n%b" % (len(FIELDS) + 2, len(name), name, _READ)


@lru_cache(maxsize=65_536)
def clustered_read_command(key: str) -> bytes:
    """The same, as it goes to a cluster."""
    return read_command.__wrapped__(in_slot(key))


def finding(fields: Sequence[bytes | None]) -> Found:
    """What an entry's fields stand for."""
    sequence, event, current, as_of = fields
    if sequence is None:
        return Found.ABSENT if as_of is None else Found.UNKNOWN
    if event is None and (current is None or as_of is None):  # not of rtp's making
        return Found.ABSENT
    # An event of metadata names what has changed; the rest of its row is only in the table.
    if current is None and event is not None and _NAMES_WHAT_CHANGED in event:
        return Found.PARTIAL
    return Found.HIT


class Reading(NamedTuple):
    """What all entries of one read share: where it was, how fresh values are and have to be, and metadata's columns."""

    source: Source
    compared_at: str = ""
    max_staleness_seconds: float = 0
    columns: Sequence[str] = ()


class Entry:
    """What is known of one entity. Immutable; what has to be taken apart is, when it is asked for.

    `source` says where it was read: `cache`, `local` (this process's copy), or `database` (it was not in the cache,
    or Redis does not answer).
    """

    __slots__ = ("_fields", "_reading", "chain", "entity", "kind")

    def __init__(self, kind: str, chain: str, entity: str, fields: Sequence[bytes | None], reading: Reading) -> None:
        self.kind = kind
        self.chain = chain
        self.entity = entity
        self._fields = fields
        self._reading = reading

    @property
    def source(self) -> Source:
        """Where it was read."""
        return self._reading.source

    @property
    def sequence(self) -> int:
        """Every event of this entity up to this sequence is in the value; 0 where no event of it was cached.

        To go on live without a gap: subscribe, then read, then skip what has this sequence or a lower one and is of
        this `log`.
        """
        return int(self._fields[0] or 0)

    @property
    def log(self) -> str:
        """The log that the sequence is of: those of two logs do not compare. Empty where no event of one was cached."""
        return log_of(self.event_json or b"")

    @property
    def value(self) -> str | None:
        """The newest value: a decimal string, digit for digit as in the database.

        None for null, for a deleted row, and for metadata, which has `fields`.
        """
        if (held := self._fields[2]) is not None:
            return None if _is_object(held) else held.decode() or None
        current: str | None = self._event_data()["current"]
        return current

    @property
    def fields(self) -> dict[str, Any] | None:
        """The watched columns of metadata, by name; None for a kind with values, and for a row that was removed.

        Without a database to ask, a row that has just changed has only those that changed. Raises RecursionError where
        the columns' JSON nests deeper than Python reads it, some thousand levels.
        """
        if (held := self._fields[2]) is not None:
            return dict(json.loads(held)) if _is_object(held) else None
        data = self._event_data()
        if data["reason"] not in {"added", "changed"}:
            return None
        # An event names what has changed: of a new row, all that is not null.
        unnamed = dict.fromkeys(self._reading.columns) if data["reason"] == "added" else {}
        return unnamed | {name: change["current"] for name, change in (data["fields"] or {}).items()}

    @property
    def is_deleted(self) -> bool:
        """Whether its row is gone from the table; a deleted entity leaves the cache after a while."""
        return self._fields[2] is None and self._event_data()["reason"] in {"deleted", "removed"}

    @property
    def event(self) -> Event | None:
        """The newest event; None where the cache was filled from the table."""
        return None if self.event_json is None else decode_event(self.event_json)

    @property
    def event_json(self) -> bytes | None:
        """The newest event as it was published."""
        return self._fields[1]

    @property
    def as_of(self) -> datetime:
        """The value was the table's at this time of the database's clock; it may still be."""
        as_of = self._fields[3]
        own = as_of.decode() if as_of is not None else str(self._event_data()["detected_at"])
        return datetime.fromisoformat(max(own, self._reading.compared_at))

    @property
    def is_stale(self) -> bool:
        """Whether that is longer ago than `redis.cache.max_staleness` allows; never, where that is off."""
        bound = self._reading.max_staleness_seconds
        return bool(bound) and time.time() - self.as_of.timestamp() > bound

    def as_json(self) -> dict[str, Any]:
        """As a JSON-ready dictionary, with the event as it was published."""
        return {
            "kind": str(self.kind),
            "chain": self.chain,
            "entity": self.entity,
            "value": self.value,
            "fields": self.fields,
            "sequence": self.sequence,
            "log": self.log,
            "as_of": self.as_of.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "source": str(self.source),
            "is_stale": self.is_stale,
            "is_deleted": self.is_deleted,
            "event": None if self.event_json is None else json.loads(self.event_json),
        }

    def __repr__(self) -> str:
        what = self.value if self.fields is None else self.fields
        return f"Entry({self.kind}, {self.chain}, {self.entity}: {what}, sequence {self.sequence}, {self.source})"

    def _event_data(self) -> dict[str, Any]:
        return dict(json.loads(self.event_json or b"{}")["data"])


def _is_object(held: bytes) -> bool:
    """Whether what was filled from the table are metadata's columns: an amount is no JSON object."""
    return held.startswith(b"{")
