"""The passing of time: whose heartbeat, end of a cooldown or of a quarantine has come, and whose rules have changed."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from psycopg import Connection

    from core.judging.entity import EntityKey
    from core.judging.watches import InstalledWatch

_QUERIES = queries("core.sql", "judging.sql")
_MOST_AT_ONCE = 1000
_MOST_LOOKED_AT = 5000


class Appointments:
    """Finds the entities of sampled watches that nobody need write for rtp to look at."""

    def __init__(self, connection: Connection, sampled: Sequence[InstalledWatch]) -> None:
        self._connection = connection
        self._watches = [watch.id for watch in sampled]
        self._unread = deque((watch, "", "") for watch in sampled)

    def due(self) -> tuple[datetime, list[EntityKey]] | None:
        """The database's clock, and the entities whose appointment has come by then; None where there are none."""
        values = {"watches": self._watches, "limit": _MOST_AT_ONCE}
        rows = self._connection.execute(_QUERIES["due"], values, prepare=True).fetchall()
        return (rows[0][0], [row[1:] for row in rows]) if rows else None

    @property
    def are_unread(self) -> bool:
        """Whether there are baselines left to look at."""
        return bool(self._unread)

    def of_older_rules(self) -> list[EntityKey]:
        """The next entities that were judged by rules that are no more: their appointments are to be made anew.

        Every baseline is looked at once, some at each call; rules do not change while a session lasts.
        """
        if not self._unread:
            return []
        watch, chain, entity = self._unread.popleft()
        values = {"watch": watch.id, "rules": watch.rules, "chain": chain, "entity": entity, "limit": _MOST_LOOKED_AT}
        rows = self._connection.execute(_QUERIES["older_rules"], values, prepare=True).fetchall()
        if len(rows) == _MOST_LOOKED_AT:
            self._unread.appendleft((watch, *rows[-1][:2]))
        return [(watch.id, chain, entity) for chain, entity, is_older in rows if is_older]
