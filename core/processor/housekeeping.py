"""What somebody must do now and then, in the one rtp that is active: each chore at its own interval."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.log.rotation import Rotation
from core.services.postgres import queries

if TYPE_CHECKING:
    from psycopg import Connection

    from core.log.lag import LagAlarm

_QUERIES = queries("core.sql", "judging.sql")
_LETTERS = queries("core.sql", "dead_letters.sql")
_TIDY_SECONDS = 60.0
# A slot of the log is filled in 7 s at 37,000 events/s; a try that finds nothing due costs two look-ups.
_ROTATION_SECONDS = 1.0
_LAG_SECONDS = 2.0


class Housekeeping:
    """Call it as often as you like; most calls find nothing to do."""

    def __init__(self, alarm: LagAlarm) -> None:
        self.alarm = alarm
        self.rotation = Rotation()
        self._next: dict[str, float] = {}

    def do_what_is_due(self, connection: Connection) -> None:
        """Do it, in short transactions of their own."""
        if self._is_time_for("tidy", _TIDY_SECONDS):
            connection.execute(_QUERIES["tidy"])
            connection.execute(_LETTERS["tidy"])
        if self._is_time_for("lag", _LAG_SECONDS):
            self.alarm.check(connection)
        if self._is_time_for("rotate", _ROTATION_SECONDS) and self.rotation.rotate(connection):
            self._next["rotate"] = 0.0  # the next piece, after whatever else the caller has to do

    def _is_time_for(self, what: str, interval_seconds: float) -> bool:
        now = time.monotonic()
        if now < self._next.get(what, 0.0):
            return False
        self._next[what] = now + interval_seconds
        return True
