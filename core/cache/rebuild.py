"""Rebuilding the cache: where Redis has lost its memory, every entity's newest event is written from the database.

A thread with connections of its own: deliveries go on meanwhile, and do not depend on it.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from core.errors import EventRejected, RtpError
from core.leading.loop import Loop
from core.log.installation import read_installation
from core.log.rows import LogRow, build_event
from core.problem import Problem
from core.services.hitch import Hitch
from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from psycopg import Connection

    from core.cache.fill import CacheFill
    from core.leading.epoch import Epoch, Epochs
    from core.services.circuit import CircuitBreaker
    from core.services.postgres import DatabaseServer
    from core.trouble import Troubles
    from rtp_client.event import Event

# One call of the script: about 1 ms in which Redis serves nobody else, so deliveries come in between.
PAGE_SIZE = 200
_CHECK_SECONDS = 1.0
# An outage is told of by the sinks' loops, and somebody may be rebuilding the schema. What lasts is told.
_PATIENCE_SECONDS = 5.0
# Whoever wants tables for itself (DROP SCHEMA, a migration) takes them one by one, and so does a fill: a deadlock, of
# which the other would be the victim half of the time. A fill gives way before PostgreSQL looks for one (after 1 s).
_LOCK_TIMEOUT = "SET lock_timeout TO '300ms'"
_QUERIES = queries("core.sql", "latest.sql")


class CacheRebuilder(Loop):
    """Looks every second whether the cache is still what it was, while this rtp leads, until told to stop."""

    def __init__(
        self,
        server: DatabaseServer,
        fill: CacheFill,
        epochs: Epochs,
        *,
        source: str,
        circuits: Sequence[CircuitBreaker],
        troubles: Troubles,
        on_problem: Callable[[Problem], None],
    ) -> None:
        super().__init__("rebuild", epochs)
        self.rebuilds = 0
        self._server = server
        self._fill = fill
        self._source = source
        self._circuits = circuits
        self._on_problem = on_problem
        self._hitch = Hitch(
            self.name, "Redis", troubles=troubles, on_problem=on_problem, patience_seconds=_PATIENCE_SECONDS
        )
        self._log_id = ""

    def _serve(self, epoch: Epoch) -> None:
        self._log_id = ""  # it may be another log than in the epoch before
        while not self._halt.is_set():
            # A service that is away is probed and named by the loops that deliver to it.
            if not any(circuit.status().failures_in_a_row for circuit in self._circuits):
                self._check()
            self._halt.wait(_CHECK_SECONDS)
        self._hitch.rest()

    def _finish(self) -> None:
        self._fill.close()

    def _check(self) -> None:
        try:
            if not self._log_id or not self._fill.is_complete(self._log_id):
                self._rebuild()
            self._hitch.worked("the cache is looked after again")
        except (psycopg.Error, RtpError) as error:
            cause = str(self._server.failure(error) if isinstance(error, psycopg.Error) else error)
            self._hitch.failed(cause, f"the cache was not rebuilt, trying again: {cause}")

    def _rebuild(self) -> None:
        with self._server.connect(self.name, is_hasty=False) as connection:
            connection.execute(_LOCK_TIMEOUT)
            self._log_id = read_installation(connection)
            if self._fill.is_complete(self._log_id):
                return
            self._fill.begin()
            done = rebuild_cache(connection, self._fill, source=self._source, is_wanted=lambda: not self._halt.is_set())
            if done is None or not self._fill.complete(self._log_id):
                return  # the next look starts anew
        self.rebuilds += 1
        if done.written:
            self._on_problem(_news_of(done))


@dataclass(frozen=True)
class Rebuilt:
    """What a fill came to: `entities` have an event, and `written` of these were missing or older in the cache."""

    entities: int
    written: int
    seconds: float


def _news_of(done: Rebuilt) -> Problem:
    text = (
        f"Redis: the cache was not complete; {done.written:,} of {done.entities:,} entries"
        f" were written from the database in {done.seconds:.1f} s"
    )
    facts = {
        "service": "Redis",
        "written": done.written,
        "entities": done.entities,
        "seconds": round(done.seconds, 3),
    }
    return Problem(text, "rebuild", logging.INFO, facts)


def rebuild_cache(
    connection: Connection,
    fill: CacheFill,
    *,
    source: str,
    is_wanted: Callable[[], bool] = lambda: True,
    on_page: Callable[[int], object] = lambda _: None,
) -> Rebuilt | None:
    """Fill the cache with every entity's newest event, page by page, while deliveries go on.

    Nothing is published, nothing appended to the stream, nothing newer overwritten. `on_page` is told how many
    entities are done. None where it is not wanted any more, or Redis lost its memory on the way. Raises NotInstalled,
    psycopg.Error and SinkUnavailable.
    """
    started = time.monotonic()
    log_id = read_installation(connection)
    entities = written = 0
    for rows in latest_events(connection, PAGE_SIZE):
        newly_written = fill.fill(_events(rows, source, log_id)) if is_wanted() else None
        if newly_written is None:
            return None
        entities += len(rows)
        written += newly_written
        on_page(entities)
    return Rebuilt(entities, written, time.monotonic() - started)


def latest_events(connection: Connection, page_size: int) -> Iterator[list[LogRow]]:
    """Every entity's newest event, oldest first, in pages; as of one moment, however long the reading takes.

    Needs memory for one page only. While it is open no slot of the log is emptied.
    """
    fetch = sql.SQL("FETCH {} FROM latest_events").format(page_size)
    # Not psycopg's own server-side cursor: it wants to close what a lost connection has closed already, and fails.
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_QUERIES["declare_latest_events"], prepare=False)
        while rows := cursor.execute(fetch, prepare=False).fetchall():
            yield [LogRow._make(row) for row in rows]


def _events(rows: list[LogRow], source: str, log_id: str) -> list[Event]:
    events = []
    for row in rows:
        try:
            events.append(build_event(row, source=source, log_id=log_id))
        except EventRejected:  # no sink ever got it: it is among the dead letters
            continue
    return events
