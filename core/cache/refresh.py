"""Keeping the cache's values fresh while this rtp leads: a price that moved too little for an event is still the price.

A pass over a kind reads Redis first, then the table, and writes what differs only where the entry still has the event
that was seen: one that comes in between is newer, and stays. What does not differ costs no write: the time of the
whole pass says so. A thread with connections of its own: deliveries go on meanwhile, and do not depend on it.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from core.cache.readers import cache_options, cache_reader
from core.cache.warm import warm
from core.errors import RtpError
from core.leading.loop import Loop
from core.services.hitch import Hitch
from core.services.postgres import queries
from rtp_client.cache.entry import FIELDS, Found, finding
from rtp_client.cache.loading import Guarded, Owner
from rtp_client.cache.scripts import WRITE, write_arguments
from rtp_client.cache.source import DatabaseSource
from rtp_client.errors import TableRefused
from rtp_client.event import METADATA_REASONS
from rtp_client.keys import CACHE_REFRESHED, cache_key_owner, cache_key_pattern
from rtp_client.redact import redact
from rtp_client.redis import redis_client, redis_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from core.leading.epoch import Epoch, Epochs
    from core.problem import Problem
    from core.services.circuit import CircuitBreaker
    from core.settings.models import Settings
    from core.trouble import Troubles
    from rtp_client.cache.loading import Fields, TableRow

PAGE = 200
_CHECK_SECONDS = 0.25
# An outage is told of by the sinks' loops. What lasts, and concerns this loop alone, is told.
_PATIENCE_SECONDS = 5.0
# After a page of 200 entries, which takes about 10 ms: PostgreSQL and Redis have others to serve.
_BETWEEN_PAGES_SECONDS = 0.01
_SHORTEST_INTERVAL_SECONDS = 0.5
# Each try is an error in PostgreSQL's log.
_REFUSED_AGAIN_SECONDS = 5.0
_QUERIES = queries("core.sql", "cache.sql")


class _Task(NamedTuple):
    work: Literal["warm", "compare"]
    kind: str


class CacheRefresher(Loop):
    """Warms the cache when an epoch begins; then compares each kind twice in its `max_staleness`."""

    def __init__(
        self,
        settings: Settings,
        epochs: Epochs,
        *,
        url: str,
        dsn: str,
        circuits: Sequence[CircuitBreaker],
        troubles: Troubles,
        on_problem: Callable[[Problem], None],
    ) -> None:
        super().__init__("refresh", epochs)
        self._settings = settings
        source = DatabaseSource(dsn, cache_options(settings))
        self._refresh = CacheRefresh(url, source, timeout_seconds=settings.redis.timeout_seconds)
        self._circuits = circuits
        self._hitch = Hitch(
            self.name, "Redis", troubles=troubles, on_problem=on_problem, patience_seconds=_PATIENCE_SECONDS
        )
        cache = settings.redis.cache
        bounds = {kind: cache.max_staleness_seconds(kind) for kind in settings.all_kinds}
        self._kinds = {watch.kind for watch in settings.watches.values()}
        self._intervals: dict[str, float] = {
            kind: max(bound / 2, _SHORTEST_INTERVAL_SECONDS)
            for kind, bound in bounds.items()
            if bound and kind in self._kinds
        }
        self._due: dict[_Task, float] = {}
        self._refused: dict[_Task, str] = {}

    def _serve(self, epoch: Epoch) -> None:
        warming = [_Task("warm", kind) for kind in sorted(self._kinds)]
        comparing = [_Task("compare", kind) for kind in self._intervals]
        self._due = dict.fromkeys([*warming, *comparing], time.monotonic())
        self._refused = {}
        while not self._halt.is_set():
            self._attempt()
            self._halt.wait(_CHECK_SECONDS)
        self._hitch.rest()

    def _finish(self) -> None:
        self._refresh.close()

    def _attempt(self) -> None:
        try:
            for task in sorted(self._due, key=self._due.__getitem__):
                if self._due[task] <= time.monotonic():
                    self._do(task)
        except RtpError as error:
            problem = str(error)
        else:
            problem = "; ".join(dict.fromkeys(self._refused.values()))
        if not problem:
            self._hitch.worked("the cache is kept fresh again")
        elif not any(circuit.status().failures_in_a_row for circuit in self._circuits):
            self._hitch.failed(problem, f"the cache was not refreshed, trying again: {problem}")

    def _do(self, task: _Task) -> None:
        """Warm or compare a kind. A table that cannot be read keeps no other one from that."""
        began_at = self._due[task] = time.monotonic()  # where it fails, the others go first next time
        try:
            is_done = self._warm(task.kind) if task.work == "warm" else self._compare(task.kind)
        except TableRefused as error:
            self._refused[task] = str(error)
            self._due[task] = began_at + _REFUSED_AGAIN_SECONDS
            return
        if is_done:
            self._refused.pop(task, None)
            self._due[task] = math.inf if task.work == "warm" else began_at + self._intervals[task.kind]

    def _warm(self, kind: str) -> bool:
        if limit := self._settings.redis.cache.warm_entries:
            with cache_reader(self._settings, is_counted=False) as reader:
                warm(reader, limit, kinds=[kind], among=len(self._kinds), may_go_on=self._may_go_on)
        return True

    def _compare(self, kind: str) -> bool:
        return self._refresh.compare(kind, may_go_on=self._may_go_on) is not None

    def _may_go_on(self) -> bool:
        return not self._halt.wait(_BETWEEN_PAGES_SECONDS)


@dataclass(frozen=True)
class Compared:
    """What a pass came to: how many entries were compared, and how many were given a newer value."""

    entries: int
    refreshed: int


class CacheRefresh:
    """Compares the entries of a kind with the watched tables, a page at a time. Not thread-safe."""

    def __init__(self, redis_url: str, source: DatabaseSource, *, timeout_seconds: float) -> None:
        self._address = redact(redis_url)
        self._source = source
        self._client = redis_client(redis_url, client_name="rtp-refresh", timeout_seconds=timeout_seconds)
        self._write = self._client.register_script(WRITE)

    def compare(self, kind: str, *, may_go_on: Callable[[], bool] = lambda: True) -> Compared | None:
        """One pass over a kind; None where it was not to go on. `may_go_on` is asked, and may wait, after each page.

        Raises ServiceUnavailable where Redis or PostgreSQL does not answer.
        """
        entries = refreshed = 0
        with redis_errors(self._address):
            began_at = self._now()
            keys = self._keys(kind)
            while page := list(islice(keys, PAGE)):
                refreshed += self._compare(page)
                entries += len(page)
                if not may_go_on():
                    return None
            self._client.hset(CACHE_REFRESHED, kind, began_at)
        return Compared(entries, refreshed)

    def close(self) -> None:
        self._client.close()
        self._source.close()

    def _now(self) -> str:
        """The database's clock, as entries carry it."""
        with self._source.connection() as connection:
            row = connection.execute(_QUERIES["now"]).fetchone()
        return str(row[0]) if row else ""

    def _keys(self, kind: str) -> Iterator[str]:
        for key in self._client.scan_iter(cache_key_pattern(kind), count=PAGE, _type="HASH"):
            yield key.decode(errors="replace")  # others' names need not be text

    def _compare(self, keys: Sequence[str]) -> int:
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hmget(key, FIELDS)
            answers: list[Any] = pipe.execute(raise_on_error=False)
        held: dict[str, tuple[Owner, Fields]] = {}
        for key, fields in zip(keys, answers, strict=True):
            if (owner := cache_key_owner(key)) and isinstance(fields, list):
                held[key] = (Owner(*owner), fields)
        held = {key: one for key, one in held.items() if finding(one[1]) in {Found.HIT, Found.PARTIAL}}
        writes = list(_differences(held, self._source.rows([owner for owner, _ in held.values()])))
        if not writes:
            return 0
        with self._client.pipeline(transaction=False) as pipe:
            for write in writes:
                self._write([write.key], write_arguments(write), client=pipe)
            return sum(pipe.execute())


def _differences(held: Mapping[str, tuple[Owner, Fields]], rows: Mapping[Owner, TableRow]) -> Iterator[Guarded]:
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
    if data is None or data["reason"] in METADATA_REASONS:
        return None
    return data["current"] or ""
