"""The row of rtp.leader: who has the lead, how it is taken, and since when its holder has given no sign of life."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from core.errors import NotInstalled, RunningError
from core.leading.epoch import clock
from core.log.installation import check_version
from core.services.postgres import own_transaction, queries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from psycopg import Connection

_QUERIES = queries("core.sql", "leader.sql")


class LeaderRow(NamedTuple):
    """The row as it was looked at. `has_session`: the session that it names is still there.

    Without `lease_seconds` it is a command that keeps leaders away, as long as its session lasts.
    """

    epoch: int
    host: str
    pid: int
    since: datetime | None
    renewed_at: datetime | None
    lease_seconds: float | None
    backend_pid: int | None
    backend_start: datetime | None
    has_session: bool

    @property
    def place(self) -> str:
        return f"{self.host} (pid {self.pid})"


def look(connection: Connection) -> LeaderRow:
    """Who leads, or did last. Raises NotInstalled where the schema is not, or no longer, of this rtp's version."""
    try:
        row = connection.execute(_QUERIES["look"], prepare=True).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise NotInstalled("rtp's schema is not of this version", "Run `rtp install-triggers`") from error
    if row is None:
        raise NotInstalled("rtp's schema is not complete: rtp.leader has no row", "Run `rtp install-triggers`")
    check_version(connection, row[-1])
    return LeaderRow._make(row[:-1])


def find_who_may_not_lead(connection: Connection) -> str | None:
    """The session's role where it could never have the lead; None where it could."""
    row = connection.execute(_QUERIES["may_lead"]).fetchone()
    assert row is not None
    return None if row[0] else str(row[1])


def take_the_lead(
    connection: Connection, seen: LeaderRow, *, lease_seconds: float | None, above: int = 0
) -> int | None:
    """The number of a new epoch, above the one of `above`; None where the row is no longer what was seen."""
    who = {"host": socket.gethostname(), "pid": os.getpid(), "lease": lease_seconds, "above": above}
    row = connection.execute(_QUERIES["take_the_lead"], seen._asdict() | who).fetchone()
    return None if row is None else int(row[0])


@contextmanager
def keeping_leaders_away(connection: Connection) -> Iterator[None]:
    """Within, no rtp run leads on this database, and none begins to. Raises RunningError where one does.

    The lead is given back at the end, or with the end of the session. Raises NotInstalled, as `look` does.
    """
    with own_transaction(connection):
        seen = look(connection)
    if seen.has_session:
        who = "rtp run is active" if seen.lease_seconds else "another command of rtp is at work"
        raise RunningError(f"{who} on this database ({seen.place}); nothing was changed", "Stop it first")
    epoch = take_the_lead(connection, seen, lease_seconds=None)
    if epoch is None:
        raise RunningError("rtp run is about to lead on this database; nothing was changed", "Stop it first")
    try:
        yield
    finally:
        with suppress(psycopg.Error):  # where rtp's schema is gone, or the connection, so is the lead
            connection.execute(_QUERIES["let_come"], {"epoch": epoch})


class Silence:
    """How long a standby has seen no sign of life from the leader, by its own clock and between its own looks."""

    def __init__(self) -> None:
        self._seen: tuple[int, datetime | None] | None = None
        self._seen_at = self._looked_at = clock()

    def note(self, leader: LeaderRow) -> None:
        """The leader was just looked at."""
        now = clock()
        sign = (leader.epoch, leader.renewed_at)
        # Then it stood still itself.
        looked_late = leader.lease_seconds is not None and now - self._looked_at > leader.lease_seconds / 2
        if sign != self._seen or looked_late:
            self._seen, self._seen_at = sign, now
        self._looked_at = now

    @property
    def seconds(self) -> float:
        """How long the silence had lasted at the last look."""
        return self._looked_at - self._seen_at
