"""A sink's position in the log, and the row of rtp.cursor that keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import LeadershipLost, LogMismatch, NotInstalled
from core.log.installation import find_mismatch
from core.log.logs import EVENTS
from core.services.postgres import queries

if TYPE_CHECKING:
    from psycopg import Connection

_QUERIES = queries("core.sql", "log.sql")
BEFORE_ALL = "1:1:"
"""The snapshot before every transaction."""


@dataclass(frozen=True)
class Cursor:
    """A sink's position: all that `snapshot` sees is delivered, and of what `until` sees besides, ids up to after_id.

    `floor_id` is below every id that is not visible in `snapshot` and not of a transaction in progress in it.
    """

    snapshot: str = BEFORE_ALL
    until: str | None = None
    after_id: int = 0
    floor_id: int = 0

    @property
    def highest_id(self) -> int:
        """The highest id that is known to be delivered."""
        return max(self.after_id, self.floor_id)


def take_cursor(connection: Connection, sink: str, epoch: int, *, starts_at_latest: bool) -> Cursor:
    """Take up a sink's cursor where it was saved; a sink without one gets one, at the log's beginning or its end.

    From then on nobody can save it in an earlier epoch (0: without any epoch). Raises LeadershipLost where a later
    epoch has taken it, LogMismatch where the cursor cannot be this log's, and NotInstalled.
    """
    connection.execute(_QUERIES["create_cursor_at_latest" if starts_at_latest else "create_cursor"], {"sink": sink})
    row = connection.execute(_QUERIES["take_cursor"], {"sink": sink, "epoch": epoch}).fetchone()
    if row is None:
        check_epoch(connection, sink, epoch)
        raise NotInstalled(f"the cursor of sink {sink} vanished", "Run `rtp install-triggers`")
    check_cursor(connection, sink)
    return Cursor(*row)


def check_cursor(connection: Connection, sink: str) -> None:
    """Raise LogMismatch where a sink's cursor cannot be this log's."""
    if mismatch := find_mismatch(connection, EVENTS, sink):
        raise LogMismatch(
            f"the cursor of sink {sink} does not fit this log: {mismatch}",
            f"Run `rtp reset-cursor --sink {sink} --to earliest` (or latest, or a sequence)",
        )


def known_sinks(connection: Connection) -> list[str]:
    """The sinks that have a cursor."""
    return [row[0] for row in connection.execute(_QUERIES["known_sinks"]).fetchall()]


def check_epoch(connection: Connection, sink: str, epoch: int) -> None:
    """Raise LeadershipLost where a sink's cursor was taken in another epoch."""
    row = connection.execute(_QUERIES["cursor_epoch"], {"sink": sink}).fetchone()
    if row is not None and row[0] != epoch:
        raise LeadershipLost(f"the cursor of sink {sink} was taken in epoch {row[0]}", surpassed_by=row[0])
