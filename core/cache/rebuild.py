"""Filling the cache from the database: every entity's newest event, without waiting for its next change."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import EventRejected
from core.log.latest import latest_events
from core.log.reader import read_installation
from core.log.rows import build_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    from core.cache.fill import CacheFill
    from core.log.rows import LogRow
    from rtp_client.event import Event

# One call of the script: about 1 ms in which Redis serves nobody else, so deliveries come in between.
PAGE_SIZE = 200


@dataclass(frozen=True)
class Rebuilt:
    """What a fill came to: `entities` have an event, and `written` of these were missing or older in the cache."""

    entities: int
    written: int
    seconds: float


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


def _events(rows: list[LogRow], source: str, log_id: str) -> list[Event]:
    events = []
    for row in rows:
        try:
            events.append(build_event(row, source=source, log_id=log_id))
        except EventRejected:  # no sink ever got it: it is among the dead letters
            continue
    return events
