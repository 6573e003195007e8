"""What somebody must do now and then, in the one rtp that is active: each chore at its own interval."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.log.logs import EVENTS, SAMPLES
from core.log.rotation import Rotation
from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    from core.log.lag import LagAlarm

_QUERIES = queries("core.sql", "housekeeping.sql")
_LETTERS = queries("core.sql", "dead_letters.sql")
_TIDY_SECONDS = 60.0
# A slot of the log is filled in 7 s at 37,000 events/s; a try that finds nothing due costs two look-ups.
_ROTATION_SECONDS = 1.0
_LAG_SECONDS = 2.0


@dataclass
class _Chore:
    """`do` says whether it has more to do, which is then done at the next call."""

    interval_seconds: float
    do: Callable[[Connection], object]
    due_at: float = 0.0


class Housekeeping:
    """Call it as often as you like; most calls find nothing to do."""

    def __init__(self, alarm: LagAlarm) -> None:
        self.alarm = alarm
        self.rotation = Rotation(EVENTS)
        sample_rotation = Rotation(SAMPLES)
        self._chores = [
            _Chore(_TIDY_SECONDS, _tidy),
            _Chore(_LAG_SECONDS, alarm.check),
            _Chore(_ROTATION_SECONDS, self.rotation.rotate),
            _Chore(_ROTATION_SECONDS, sample_rotation.rotate),
        ]

    def do_what_is_due(self, connection: Connection) -> None:
        """Do it, in short transactions of their own."""
        for chore in self._chores:
            now = time.monotonic()
            if now >= chore.due_at:
                chore.due_at = now + chore.interval_seconds
                if chore.do(connection):
                    chore.due_at = now


def _tidy(connection: Connection) -> None:
    connection.execute(_QUERIES["tidy"])
    connection.execute(_QUERIES["condense_set_aside"])
    connection.execute(_LETTERS["tidy"])
