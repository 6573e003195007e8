"""Looking at rtp through its database, whether or not rtp is running; nothing is changed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg.rows import class_row

from core.arming.look import read_arming
from core.errors import NotInstalled
from core.inspection.picture import (
    FunctionCost,
    GuardOutcome,
    Inspection,
    Installation,
    Leader,
    LogSize,
    Processor,
    Quarantined,
    RunningProcess,
    SetAside,
    SinkPosition,
    TriggerCost,
    TriggerErrors,
    WatchFigures,
)
from core.judging.waiting import read_waiting
from core.log.installation import find_mismatch, read_installation
from core.log.lag import is_too_far_behind
from core.log.logs import EVENTS
from core.services.postgres import own_transaction, queries
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from psycopg import Connection

    from core.arming.look import WatchArming
    from core.judging.waiting import WaitingSamples
    from core.settings.models import LogSettings

_QUERIES = queries("core.sql", "inspection.sql")
_MOST_LISTED = 10
_LONGEST_SESSION_NAME = 63  # of application_name; PostgreSQL cuts the rest off
_Row = TypeVar("_Row")


def inspect(connection: Connection, log: LogSettings, configured_sinks: Collection[str] | None = None) -> Inspection:
    """Read everything. Raises NotInstalled where rtp is not installed, or the role may not read its schema.

    `configured_sinks` are those that a settings file asks for. None: no file, so only a running rtp tells its sinks.
    """
    with looking(connection):
        moment = connection.execute(_QUERIES["moment"]).fetchone()
        assert moment is not None
        processor = _read(connection, "processor", Processor)[0]
        return Inspection(
            at=moment[0],
            installation=_read(connection, "installation", Installation)[0],
            processor=processor,
            processes=_read(connection, "processes", RunningProcess),
            leader=_read(connection, "leader", Leader)[0],
            watches=_watches(connection, log),
            log=_read(connection, "log", LogSize)[0],
            sinks=[
                replace(
                    sink,
                    is_configured=_is_configured(sink.sink, processor, configured_sinks),
                    is_alarming=is_too_far_behind(sink.lag_seconds, sink.lag_bytes, log),
                    mismatch=find_mismatch(connection, EVENTS, sink.sink),
                )
                for sink in sink_positions(connection)
            ],
            quarantined=_read(connection, "quarantined", Quarantined, {"limit": _MOST_LISTED}),
            outcomes=_read(connection, "outcomes", GuardOutcome, {"limit": _MOST_LISTED}),
            set_aside=_read(connection, "set_aside", SetAside),
            trigger_errors=_read(connection, "trigger_errors", TriggerErrors),
            trigger_costs=_read(connection, "trigger_costs", TriggerCost),
            function_costs=_read(connection, "function_costs", FunctionCost),
        )


def _watches(connection: Connection, log: LogSettings) -> list[WatchFigures]:
    waiting = read_waiting(connection)
    arming = {watch.watch: watch for watch in read_arming(connection)}
    return [
        _with_arming(_with_waiting(watch, waiting[watch.watch], log), arming[watch.watch])
        for watch in _read(connection, "watches", WatchFigures)
    ]


def _with_arming(watch: WatchFigures, arming: WatchArming) -> WatchFigures:
    return replace(watch, is_armed=arming.is_armed, unarmed_cause=arming.cause, unarmed_remedy=arming.remedy)


def _with_waiting(watch: WatchFigures, waiting: WaitingSamples, log: LogSettings) -> WatchFigures:
    return replace(
        watch,
        waiting=waiting.samples,
        has_more_waiting=waiting.has_more,
        waiting_seconds=waiting.seconds,
        waiting_bytes=waiting.bytes,
        is_behind=waiting.is_behind,
        is_alarming=is_too_far_behind(waiting.seconds, waiting.bytes, log),
    )


def sink_positions(connection: Connection) -> Sequence[SinkPosition]:
    """How far behind each sink is that has a cursor."""
    return _read(connection, "sinks", SinkPosition)


def _is_configured(sink: str, processor: Processor, configured: Collection[str] | None) -> bool | None:
    if f"rtp {sink}"[:_LONGEST_SESSION_NAME] in processor.sessions or (configured is not None and sink in configured):
        return True
    return False if processor.is_running or configured is not None else None


def is_running(connection: Connection) -> bool:
    """Whether an rtp run is active on this database."""
    return _read(connection, "processor", Processor)[0].is_running


@contextmanager
def looking(connection: Connection) -> Iterator[None]:
    """A read-only transaction that sees one moment. Raises NotInstalled, as `inspect` does."""
    read_installation(connection)
    try:
        with own_transaction(connection, "ISOLATION LEVEL REPEATABLE READ, READ ONLY"):
            yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise NotInstalled(f"rtp's schema is not complete: {one_line(error)}", "Run `rtp install-triggers`") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise NotInstalled(
            f"rtp's role may not read rtp's schema: {one_line(error)}", "`rtp grants` prints the rights that it needs"
        ) from error


def _read(
    connection: Connection, query: str, row: type[_Row], values: Mapping[str, object] | None = None
) -> Sequence[_Row]:
    with connection.cursor(row_factory=class_row(row)) as cursor:
        return cursor.execute(_QUERIES[query], values or {}).fetchall()
