"""An event that a sink can never take, on its way into rtp.dead_letter: it travels with the cursor's move past it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

    from core.log.rows import LogRow

_QUERIES = queries("core.sql", "log.sql")


@dataclass(frozen=True)
class DeadEvent:
    """What was refused, as JSON; why, how often, and when first and last. `event_id` is the row's in the log."""

    event_id: int
    document: str
    error: str
    attempts: int
    first_attempt_at: datetime
    last_attempt_at: datetime


def dead_row(row: LogRow, error: str) -> DeadEvent:
    """A row that is no valid event, as the log has it: no sink was ever tried."""
    document = {name: value if value is None else str(value) for name, value in row._asdict().items()}
    now = datetime.now(UTC)
    return DeadEvent(row.id, json.dumps(document), error, 0, now, now)


def add_dead_events(connection: Connection, sink: str, events: Sequence[DeadEvent]) -> None:
    """Make them dead letters, within a transaction of the caller's that is durable when it commits."""
    connection.execute("SET LOCAL synchronous_commit TO on")
    for event in events:
        connection.execute(_QUERIES["add_dead_letter"], {**vars(event), "sink": sink, "event": event.document})
