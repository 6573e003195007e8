"""Comparing cached values with their tables: a price that moved too little for an event is still the price.

Redis is read first, then the table, and what differs is written only where the entry still has the event that was seen:
one that comes in between is newer, and stays. What does not differ costs no write: the time of the whole pass says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from core.cache.entry import FIELDS, State, state
from core.cache.loading import Guarded, Owner
from core.cache.scripts import WRITE, write_arguments
from core.cache.source import DatabaseSource
from rtp_client.keys import CACHE_REFRESHED, cache_key_owner, cache_key_pattern
from rtp_client.redact import redact
from rtp_client.redis import redis_client, redis_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from core.cache.loading import Fields, Row
    from core.settings.models import Settings

PAGE = 200
_OF_METADATA = frozenset({"added", "changed", "removed"})


@dataclass(frozen=True)
class Compared:
    """What a pass came to: how many entries were compared, and how many were given a newer value."""

    entries: int
    refreshed: int


class CacheRefresh:
    """Compares the entries of a kind with the watched tables, a page at a time. Not thread-safe."""

    def __init__(self, settings: Settings, *, url: str, dsn: str) -> None:
        self._address = redact(url)
        self._source = DatabaseSource(settings, dsn)
        self._client = redis_client(url, client_name="rtp-refresh", timeout_seconds=settings.redis.timeout_seconds)
        self._write = self._client.register_script(WRITE)

    def compare(self, kind: str, *, may_go_on: Callable[[], bool] = lambda: True) -> Compared | None:
        """One pass over a kind; None where it was not to go on. `may_go_on` is asked, and may wait, after each page.

        Raises ServiceUnavailable where Redis or PostgreSQL does not answer.
        """
        entries = refreshed = 0
        with redis_errors(self._address):
            began_at = self._source.now()
            keys = self._keys(kind)
            while page := list(islice(keys, PAGE)):
                refreshed += self._compare(page)
                entries += len(page)
                if not may_go_on():
                    return None
            self._client.hset(CACHE_REFRESHED, kind, began_at)
        return Compared(entries, refreshed)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()
        self._source.close()

    def _keys(self, kind: str) -> Iterator[str]:
        for key in self._client.scan_iter(cache_key_pattern(kind), count=PAGE, _type="HASH"):
            yield key.decode()

    def _compare(self, keys: Sequence[str]) -> int:
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hmget(key, FIELDS)
            answers: list[Any] = pipe.execute(raise_on_error=False)
        held: dict[str, tuple[Owner, Fields]] = {}
        for key, fields in zip(keys, answers, strict=True):
            if (owner := _owner(key)) and isinstance(fields, list):
                held[key] = (owner, fields)
        held = {key: one for key, one in held.items() if state(one[1]) in {State.HIT, State.PARTIAL}}
        writes = list(_differences(held, self._source.rows([owner for owner, _ in held.values()])))
        if not writes:
            return 0
        with self._client.pipeline(transaction=False) as pipe:
            for write in writes:
                self._write([write.key], write_arguments(write), client=pipe)
            return sum(pipe.execute())


def _owner(key: str) -> Owner | None:
    try:
        return Owner(*cache_key_owner(key))
    except ValueError:  # somebody else's name
        return None


def _differences(held: Mapping[str, tuple[Owner, Fields]], rows: Mapping[Owner, Row]) -> Iterator[Guarded]:
    for key, (owner, fields) in held.items():
        row = rows.get(owner)  # a deleted row is an event's to report
        if row is not None and row.value != _value(fields):
            yield Guarded(key, "sequence", (fields[0] or b"").decode(), 0, ("as_of", row.as_of, "current", row.value))


def _value(fields: Fields) -> str | None:
    """The value that readers see, as the table's query gives it; None for metadata, whose events are not complete."""
    _, event, current, _ = fields
    if current is not None:
        return current.decode()
    data = json.loads(event)["data"] if event is not None else None
    if data is None or data["reason"] in _OF_METADATA:
        return None
    return data["current"] or ""
