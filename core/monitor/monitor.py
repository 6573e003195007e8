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
from typing import TYPE_CHECKING

import psycopg

from core.errors import ServiceUnavailable
from core.monitor.blocked import BlockedSessions
from core.monitor.duty import Duty
from core.monitor.facts import DatabaseFacts, read_facts
from core.monitor.lasting import find_lasting
from core.monitor.progress import Hindrance, JudgingWatch, ProgressWatch
from core.own_version import own_version
from core.problem import Problem
from core.processor.status import StatusReporter
from core.services.circuit import CircuitState
from core.services.postgres import queries
from rtp_client.event import format_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    from core.monitor.cache_reads import CacheReads
    from core.monitor.figures import PipelineFigures
    from core.processor.pipeline import Pipeline
    from core.services.postgres import DatabaseServer

_QUERIES = queries("core.sql", "monitor.sql")
_LOOK_SECONDS = 1.0
# Until it is known whether PostgreSQL can be worked with.
_UNFIT_SECONDS = 0.1
_SHOW_SECONDS = 2.0
_FACTS_SECONDS = 5.0
# It looks once a second, while PostgreSQL's circuit is closed.
_FAILURES_TO_TELL = 3
_STATEMENT_TIMEOUT, _LOCK_TIMEOUT = "10s", "1s"


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
        figures: PipelineFigures | None = None,
        on_problem: Callable[[Problem], None] = lambda _: None,
    ) -> None:
        self.facts = DatabaseFacts()
        self.cache_reads = cache_reads
        self._server = server
        self._pipeline = pipeline
        self._progress = ProgressWatch(pipeline, stalled_after_seconds=stalled_after_seconds)
        self._is_ready_unarmed = is_ready_unarmed
        self._figures = figures
        self._judging = JudgingWatch(pipeline, stalled_after_seconds=stalled_after_seconds)
        self._reporter = StatusReporter(pipeline)
        self._who = {"host": socket.gethostname(), "pid": os.getpid()}
        self._started_at = datetime.now(UTC)
        self._connection_error = ""
        self._is_shown = False
        self._on_problem = on_problem
        self._duties = [
            Duty(name, interval_seconds, do, troubles=pipeline.troubles, on_problem=on_problem)
            for name, interval_seconds, do in (
                ("naming who keeps rtp waiting", _SHOW_SECONDS, BlockedSessions(pipeline.troubles, on_problem).look),
                ("writing the line for rtp status", _SHOW_SECONDS, self._show),
                ("reading the figures for metrics", _FACTS_SECONDS, self._read_facts),
            )
        ]
        self._next_cache_reads = 0.0
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
        found = [
            *self._progress.hindrances(),
            *self._judging.hindrances(self.facts),
            *find_lasting(self._pipeline),
            *([] if self._is_ready_unarmed else self._unarmed()),
        ]
        error = self._connection_error or next((duty.error for duty in self._duties if duty.error), "")
        if error and not any(hindrance.subject == "PostgreSQL" for hindrance in found):
            found.append(Hindrance("unreachable", "PostgreSQL", error))
        return found

    def warnings(self) -> list[Hindrance]:
        """What is wrong, and none the less, by the settings, no reason not to be ready."""
        return self._unarmed() if self._is_ready_unarmed else []

    def _unarmed(self) -> list[Hindrance]:
        arming = self._pipeline.arming
        since = {name: format_time(moment) for name, moment in arming.since.items()}
        return [
            Hindrance("unarmed", watch.watch, f"{watch.cause}. {watch.remedy}", since.get(watch.watch))
            for watch in arming.watches
            if not watch.is_armed
        ]

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
            # The loops that need a service probe it while it is away. The monitor does not. Nor does it leave its
            # settings in sessions that are others', too.
            is_fit = self._pipeline.election.is_server_fit
            if self._seems_up("PostgreSQL") and is_fit:
                self._watch_with_connection()
            self._stopping.wait(_LOOK_SECONDS if is_fit else _UNFIT_SECONDS)
        if self.cache_reads:
            self.cache_reads.close()

    def _look(self) -> None:
        self._progress.look()
        self._judging.look(self.facts)
        now = time.monotonic()
        if self.cache_reads and now >= self._next_cache_reads and self._seems_up("Redis"):
            self._next_cache_reads = now + _FACTS_SECONDS
            self.cache_reads.refresh()
        if self._figures:
            self._figures.note_when_due(self.facts, is_ready=not self.hindrances())

    def _seems_up(self, service: str) -> bool:
        of_service = [circuit for circuit in self._pipeline.circuits if circuit.service == service]
        return all(circuit.status().state is CircuitState.CLOSED for circuit in of_service)

    def _watch_with_connection(self) -> None:
        try:
            with self._server.connect("monitor", is_hasty=False) as connection:
                _prepare(connection)
                while not self._stopping.is_set():
                    self._look()
                    for duty in self._duties:
                        duty.do_when_due(connection)
                    self._note_connection("")
                    self._stopping.wait(_LOOK_SECONDS)
                if self._is_shown:
                    connection.execute(_QUERIES["forget_process"], self._who)
        except ServiceUnavailable as error:
            self._note_connection(str(error))
        except psycopg.Error as error:
            self._note_connection(str(self._server.unavailable(error)))

    def _note_connection(self, error: str) -> None:
        """An outage is told of by the loops that deliver; what concerns the monitor alone, by itself."""
        self._connection_error = error
        if not error:
            self._pipeline.troubles.over("monitor", "PostgreSQL")
        elif self._pipeline.troubles.met("monitor", "PostgreSQL", error).failures == _FAILURES_TO_TELL:
            self._on_problem(Problem(f"monitor: {error}. Trying again", "monitor", facts={"error": error}))

    def _read_facts(self, connection: Connection) -> None:
        self.facts = read_facts(connection)

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
        [_STATEMENT_TIMEOUT, _LOCK_TIMEOUT],
    )
