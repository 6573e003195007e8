"""What PostgreSQL tells. It is only read, and no session is left other than it was: a pooler may share it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import psycopg

from core.errors import ServiceUnavailable
from core.inspection.document import as_document
from core.inspection.explainer import explain
from core.inspection.inspector import inspect
from core.inspection.pegs import off_peg_since
from core.inspection.samples import read_samples
from core.services.postgres import connect, is_lost_connection
from core.settings.models import postgres_dsn
from rtp_client.answer_timeout import AnswerTimeout
from rtp_client.postgres import unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from psycopg import Connection

    from core.inspection.explanation import Explanation
    from core.inspection.pegs import Pegged
    from core.inspection.samples import Samples
    from core.settings.models import Settings
    from core.settings.watches import Watch

_Found = TypeVar("_Found")
# For so long PostgreSQL is not asked after it did not answer: each thread would wait for it in vain.
_REST_SECONDS = 1.0


class PostgresInsight:
    """A connection for each thread that asks at a time, kept for the next one. See Insight."""

    source: Literal["postgres"] = "postgres"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._dsn = postgres_dsn(settings)
        seconds = settings.postgres.answer_timeout_seconds
        self._answer_timeout = AnswerTimeout(seconds, first_seconds=seconds)
        self._kept: deque[Connection] = deque()
        self._failure: ServiceUnavailable | None = None
        self._resting_until = 0.0

    def explain(self, kind: str, chain: str, entity: str) -> Sequence[Explanation]:
        return self._ask(lambda connection: explain(connection, self._settings, kind, entity, chain))

    def samples(self, watch: str, chain: str, entity: str, limit: int) -> Samples:
        found = self._settings.watches.get(watch)
        if found is None or not found.is_history:
            return []
        return self._ask(lambda connection: _read_in_time(connection, found, chain, entity, limit))

    def off_peg_since(self, pegged: Sequence[Pegged]) -> Mapping[Pegged, datetime]:
        return self._ask(lambda connection: off_peg_since(connection, pegged))

    def status(self) -> dict[str, Any]:
        found = self._ask(lambda connection: inspect(connection, self._settings.log))
        return dict(as_document(found))

    def close(self) -> None:
        while self._kept:
            self._kept.pop().close()

    def _ask(self, question: Callable[[Connection], _Found]) -> _Found:
        if self._failure is not None and time.monotonic() < self._resting_until:
            raise self._failure
        connection = self._kept.pop() if self._kept else None
        if connection is not None:
            try:
                return self._answer(connection, question)
            except psycopg.Error as error:  # the server may have been restarted since
                if not is_lost_connection(error):
                    raise unavailable(self._dsn, error) from error
        try:
            return self._answer(self._connect(), question)
        except psycopg.Error as error:
            found = unavailable(self._dsn, error)
            raise (self._gone(found) if is_lost_connection(error) else found) from error

    def _answer(self, connection: Connection, question: Callable[[Connection], _Found]) -> _Found:
        try:
            return question(connection)
        finally:
            if not connection.closed:
                self._kept.append(connection)

    def _connect(self) -> Connection:
        timeout_seconds = self._settings.postgres.connect_timeout_seconds
        try:
            return connect(
                self._dsn,
                role="serve",
                timeout_seconds=timeout_seconds,
                answer_timeout=self._answer_timeout,
                session=None,
            )
        except ServiceUnavailable as error:
            raise self._gone(error) from error

    def _gone(self, error: ServiceUnavailable) -> ServiceUnavailable:
        self._failure, self._resting_until = error, time.monotonic() + _REST_SECONDS
        return error


def _read_in_time(connection: Connection, watch: Watch, chain: str, entity: str, limit: int) -> Samples:
    """A table that is locked, large without an index, or not readable, is no reason to tell nothing."""
    try:
        return read_samples(connection, watch, chain, entity, limit)
    except psycopg.Error as error:
        if is_lost_connection(error):
            raise
        return []
