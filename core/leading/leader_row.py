"""The row of rtp.leader and its advisory lock: the leader, and since when it has given no sign of life."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from core.errors import NotInstalled, RunningError
from core.leading.epoch import clock
from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from psycopg import Connection

_QUERIES = queries("core.sql", "leader.sql")


class LeaderRow(NamedTuple):
    """The row of rtp.leader, and whether its lock was free: then the session that asked has it."""

    is_free: bool
    epoch: int
    host: str
    pid: int
    since: datetime | None
    renewed_at: str
    lease_seconds: float


def try_to_lead(connection: Connection) -> LeaderRow:
    """Take the lock if it is free, and see who has it otherwise."""
    row = connection.execute(_QUERIES["try_to_lead"], prepare=True).fetchone()
    if row is None:
        raise NotInstalled("rtp's schema is not complete: rtp.leader has no row", "Run `rtp install-triggers`")
    return LeaderRow._make(row)


@contextmanager
def keeping_leaders_away(connection: Connection) -> Iterator[None]:
    """Within, no rtp run leads on this database, and none begins to. Raises RunningError where one does."""
    row = connection.execute(_QUERIES["keep_away"]).fetchone()
    if row is None or not row[0]:
        raise RunningError("rtp run is active on this database; nothing was changed", "Stop it first")
    try:
        yield
    finally:
        connection.execute(_QUERIES["let_come"])


class Silence:
    """How long a standby has seen no sign of life from the leader."""

    def __init__(self) -> None:
        self._seen: tuple[int, str] | None = None
        self._seen_at = self._looked_at = clock()

    def note(self, leader: LeaderRow) -> None:
        """The leader was just looked at."""
        now = clock()
        sign = (leader.epoch, leader.renewed_at)
        looked_late = now - self._looked_at > leader.lease_seconds / 2  # it stood still itself
        if sign != self._seen or looked_late:
            self._seen, self._seen_at = sign, now
        self._looked_at = now

    @property
    def seconds(self) -> float:
        """How long the silence had lasted at the last look."""
        return self._looked_at - self._seen_at
