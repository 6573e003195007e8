"""Watching over the cache: where Redis has lost its memory, the cache is filled from the database.

A thread with connections of its own: deliveries go on meanwhile, and do not depend on it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import psycopg

from core.cache.rebuild import rebuild_cache
from core.errors import NotInstalled, RtpError, ServiceUnavailable
from core.leading.loop import Loop
from core.log.reader import read_installation
from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.cache.fill import CacheFill
    from core.leading.epoch import Epoch, Epochs
    from core.services.circuit import CircuitBreaker
    from core.services.postgres import Server

_CHECK_SECONDS = 1.0
# Whoever wants tables for itself (DROP SCHEMA, a migration) takes them one by one, and so does a fill: a deadlock, of
# which the other would be the victim half of the time. A fill gives way before PostgreSQL looks for one (after 1 s).
_LOCK_TIMEOUT = "SET lock_timeout TO '300ms'"


class CacheRebuilder(Loop):
    """Looks every second whether the cache is still what it was, while this rtp leads, until told to stop."""

    def __init__(
        self,
        server: Server,
        fill: CacheFill,
        epochs: Epochs,
        *,
        source: str,
        circuits: Sequence[CircuitBreaker],
        on_problem: Callable[[Problem], None],
    ) -> None:
        super().__init__("rebuild", epochs)
        self.rebuilds = 0
        self._server = server
        self._fill = fill
        self._source = source
        self._circuits = circuits
        self._on_problem = on_problem
        self._told = ""
        self._log_id = ""

    def _serve(self, epoch: Epoch) -> None:
        while not self._halt.is_set():
            # Who is away is probed by those who deliver, and named by them.
            if not any(circuit.status().failures_in_a_row for circuit in self._circuits):
                self._check()
            self._halt.wait(_CHECK_SECONDS)

    def _finish(self) -> None:
        self._fill.close()

    def _check(self) -> None:
        try:
            if not self._log_id or not self._fill.is_complete(self._log_id):
                self._rebuild()
            self._told = ""
        except (ServiceUnavailable, NotInstalled):
            return  # the sinks' loops say so
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            return  # somebody rebuilds the schema: the next look will tell what is left of it
        except (psycopg.Error, RtpError) as error:
            if isinstance(error, psycopg.OperationalError) and _is_lost_connection(error):
                return  # likewise
            self._tell(f"the cache was not rebuilt, trying again: {_cause(self._server, error)}")

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
            self._on_problem(Problem(text, "rebuild", logging.INFO, facts))

    def _tell(self, problem: str) -> None:
        if problem != self._told:
            self._told = problem
            self._on_problem(Problem(problem, "rebuild", facts={"service": "Redis"}))


def _is_lost_connection(error: psycopg.OperationalError) -> bool:
    # Without an SQLSTATE it is the client's own finding; class 57P is the server's word that it ends the session.
    return error.sqlstate is None or error.sqlstate.startswith("57P")


def _cause(server: Server, error: Exception) -> str:
    return str(server.unavailable(error)) if isinstance(error, psycopg.Error) else str(error)
