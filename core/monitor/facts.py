"""What only the database knows of rtp, as of one moment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from core.judging.waiting import WaitingSamples, read_waiting
from core.services.postgres import queries

if TYPE_CHECKING:
    from psycopg import Connection

_QUERIES = queries("core.sql", "monitor.sql")


class HourlyTriggerCost(NamedTuple):
    """What a watch's triggers cost in the last hour, estimated."""

    statements: int
    rows: int
    events: int
    seconds: float
    longest_seconds: float


@dataclass(frozen=True)
class DatabaseFacts:
    """Figures by watch (`set_aside` also by cause) or by sink.

    `taken_at` is by the process's clock, and 0 where nothing has been read yet.
    """

    taken_at: float = 0.0
    waiting: Mapping[str, WaitingSamples] = field(default_factory=dict)
    quarantined: Mapping[str, int] = field(default_factory=dict)
    set_aside: Mapping[tuple[str, str], int] = field(default_factory=dict)
    trigger_errors: Mapping[str, int] = field(default_factory=dict)
    trigger_costs: Mapping[str, HourlyTriggerCost] = field(default_factory=dict)
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    log_bytes: int | None = None
    sample_log_bytes: int | None = None


def read_facts(connection: Connection) -> DatabaseFacts:
    """Read all figures. Raises psycopg.Error."""

    def counts(query: str) -> dict[str, int]:
        return dict(connection.execute(_QUERIES[query]).fetchall())

    sizes = connection.execute(_QUERIES["log_bytes"]).fetchone() or (None, None)
    return DatabaseFacts(
        taken_at=time.time(),
        waiting=read_waiting(connection),
        quarantined=counts("quarantined"),
        set_aside={(watch, why): rows for watch, why, rows in connection.execute(_QUERIES["set_aside"])},
        trigger_errors=counts("trigger_errors"),
        trigger_costs={row[0]: HourlyTriggerCost(*row[1:]) for row in connection.execute(_QUERIES["trigger_costs"])},
        dead_letters=counts("dead_letters"),
        log_bytes=sizes[0],
        sample_log_bytes=sizes[1],
    )
