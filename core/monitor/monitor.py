"""Watching the pipeline from outside: whether it moves, and what the database knows; and telling the database.

The monitor has a thread and a connection of its own, so that a scrape or a probe asks no server for anything.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import psycopg

from core.errors import ServiceUnavailable
from core.monitor.facts import DatabaseFacts, read_facts
from core.monitor.progress import Hindrance, JudgingWatch, ProgressWatch
from core.processor.status import StatusReporter
from core.services.circuit import CircuitState
from core.services.postgres import queries

if TYPE_CHECKING:
    from psycopg import Connection

    from core.monitor.cache_reads import CacheReads
    from core.processor.pipeline import Pipeline
    from core.services.postgres import DatabaseServer

_QUERIES = queries("core.sql", "monitor.sql")
_LOOK_SECONDS = 1.0
_SHOW_SECONDS = 2.0
_FACTS_SECONDS = 5.0
_FACTS_AFTER_FAILURE_SECONDS = 60.0
# Reading the facts takes at most this share of a server's core, however large the tables are.
_FACTS_SHARE = 0.02
_TIMEOUT = "10s"


def own_version() -> str:
    """The version of the rtp that runs."""
    try:
        return version("defi-rtp")
    except PackageNotFoundError:  # run from its source, not installed
        return "unknown"


class Monitor:
    """Looks at the pipeline every second. `facts` and `hindrances()` are what the monitor saw last."""

    def __init__(
        self,
        server: DatabaseServer,
        pipeline: Pipeline,
        cache_reads: CacheReads | None,
        *,
        stalled_after_seconds: float,
        is_ready_unarmed: bool = False,
    ) -> None:
        self.facts = DatabaseFacts()
        self.cache_reads = cache_reads
        self._server = server
        self._pipeline = pipeline
        self._progress = ProgressWatch(pipeline, stalled_after_seconds=stalled_after_seconds)
        self._is_ready_unarmed = is_ready_unarmed
        self._judging = JudgingWatch(pipeline, stalled_after_seconds=stalled_after_seconds)
        self._reporter = StatusReporter(pipeline)
        self._who = {"host": socket.gethostname(), "pid": os.getpid()}
        self._started_at = datetime.now(UTC)
        self._database_error = ""
        self._is_shown = False
        self._next_facts = self._next_show = self._next_cache_reads = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtp-monitor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop watching, and remove this process's row from rtp.process."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(self._server.connect_seconds)

    def hindrances(self) -> list[Hindrance]:
        """Why rtp is not ready; empty where it is."""
        found = [*self._progress.hindrances(), *self._judging.hindrances(self.facts)]
        found += [] if self._is_ready_unarmed else self._unarmed()
        if self._database_error and not any(hindrance.subject == "PostgreSQL" for hindrance in found):
            found.append(Hindrance("unreachable", "PostgreSQL", self._database_error))
        return found

    def warnings(self) -> list[Hindrance]:
        """What is wrong, and none the less, by the settings, no reason not to be ready."""
        return self._unarmed() if self._is_ready_unarmed else []

    def _unarmed(self) -> list[Hindrance]:
        watches = self._pipeline.arming.watches
        return [Hindrance("unarmed", w.watch, f"{w.cause}. {w.remedy}") for w in watches if not w.is_armed]

    @property
    def role(self) -> str:
        """`starting`, `leader` or `standby`."""
        return self._pipeline.election.status().role

    def threads(self) -> dict[str, bool]:
        """Every thread of rtp, and whether it is alive."""
        return self._pipeline.threads() | {"monitor": self._thread.is_alive()}

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._look()
            # The loops that need a service probe it while it is away. The monitor does not.
            if self._seems_up("PostgreSQL"):
                self._watch_with_connection()
            self._stopping.wait(_LOOK_SECONDS)
        if self.cache_reads:
            self.cache_reads.close()

    def _look(self) -> None:
        self._progress.look()
        self._judging.look(self.facts)
        now = time.monotonic()
        if self.cache_reads and now >= self._next_cache_reads and self._seems_up("Redis"):
            self._next_cache_reads = now + _FACTS_SECONDS
            self.cache_reads.refresh()

    def _seems_up(self, service: str) -> bool:
        of_service = [circuit for circuit in self._pipeline.circuits if circuit.service == service]
        return all(circuit.status().state is CircuitState.CLOSED for circuit in of_service)

    def _watch_with_connection(self) -> None:
        try:
            with self._server.connect("monitor", is_hasty=False) as connection:
                _prepare(connection)
                while not self._stopping.is_set():
                    self._look()
                    self._do_what_is_due(connection)
                    self._database_error = ""
                    self._stopping.wait(_LOOK_SECONDS)
                if self._is_shown:
                    connection.execute(_QUERIES["forget_process"], self._who)
        except ServiceUnavailable as error:
            self._database_error = str(error)
        except psycopg.Error as error:
            self._database_error = str(self._server.unavailable(error))

    def _do_what_is_due(self, connection: Connection) -> None:
        now = time.monotonic()
        if now >= self._next_show:
            self._next_show = now + _SHOW_SECONDS
            self._show(connection)
        if now >= self._next_facts:
            self._next_facts = now + _FACTS_AFTER_FAILURE_SECONDS
            self.facts = read_facts(connection)
            took_seconds = time.monotonic() - now
            self._next_facts = now + max(_FACTS_SECONDS, took_seconds / _FACTS_SHARE)

    def _show(self, connection: Connection) -> None:
        values = self._who | {
            "is_first": not self._is_shown,
            "started_at": self._started_at,
            "version": own_version(),
            "figures": json.dumps(self._reporter.take().as_json()),
        }
        connection.execute(_QUERIES["show_process"], values)
        self._is_shown = True


def _prepare(connection: Connection) -> None:
    connection.execute(
        "SELECT set_config(name, value, false) FROM (VALUES ('statement_timeout', %s), ('lock_timeout', %s),"
        " ('jit', 'off'), ('synchronous_commit', 'off')) AS s (name, value)",
        [_TIMEOUT, _TIMEOUT],
    )
