"""The passing of time: whose heartbeat, end of a cooldown or of a quarantine has come, and whose rules have changed."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from core.services.postgres import queries
from core.services.prepared import PreparedStatements

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from psycopg import Connection

    from core.judging.sample import EntityKey
    from core.judging.watches import InstalledWatch

_QUERIES = queries("core.sql", "judging.sql")
_MOST_AT_ONCE = 1000
_MOST_LOOKED_AT = 5000


class Due(NamedTuple):
    """The entities whose appointment has come by the database's clock, and the revision of the installation then."""

    at: datetime
    revision: int
    keys: Sequence[EntityKey]


class Appointments:
    """Finds the entities of sampled watches that nobody need write for rtp to look at."""

    def __init__(self, connection: Connection, sampled: Sequence[InstalledWatch]) -> None:
        self._statements = PreparedStatements(connection, _QUERIES)
        self._watches = [watch.id for watch in sampled]
        self._unread = deque((watch, "", "") for watch in sampled)
        self._is_full = False

    def due(self, *, without: Collection[int], only_gone: bool = False) -> Due:
        """Whose appointment has come, the longest overdue first; none of the watches left out.

        With `only_gone`, those alone whose rows are gone.
        """
        watches = ",".join(str(watch) for watch in self._watches if watch not in without)
        rows = self._statements.fetch(
            "due", {"watches": f"{{{watches}}}", "only_gone": only_gone, "limit": _MOST_AT_ONCE}
        )
        at, revision = rows[0][:2]
        self._is_full = len(rows) == _MOST_AT_ONCE
        return Due(at, revision, [row[2:] for row in rows if row[2] is not None])

    @property
    def are_left_due(self) -> bool:
        """Whether more may have come than the last look has brought."""
        return self._is_full

    @property
    def are_left(self) -> bool:
        """Whether more may have come than one look brings, or there are baselines left to look at."""
        return self._is_full or bool(self._unread)

    def of_older_rules(self) -> list[EntityKey]:
        """The next entities that were judged by rules that are no more: their appointments are to be made anew.

        Every baseline is looked at once, some at each call; rules do not change while a session lasts.
        """
        if not self._unread:
            return []
        watch, chain, entity = self._unread.popleft()
        after = {"chain": chain, "entity": entity}
        rows = self._statements.fetch(
            "older_rules", {**after, "watch": watch.id, "rules": watch.rules, "limit": _MOST_LOOKED_AT}
        )
        if len(rows) == _MOST_LOOKED_AT:
            self._unread.appendleft((watch, *rows[-1][:2]))
        return [(watch.id, chain, entity) for chain, entity, is_older in rows if is_older]
