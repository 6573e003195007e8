"""Sessions of rtp that wait for somebody's lock: who has it is named, since nothing else would tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.problem import LastingProblem
from core.services.locks import session_name
from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    from core.problem import Problem
    from core.trouble import Troubles

_QUERIES = queries("core.sql", "locks.sql")
_SERVICE = "PostgreSQL's locks"


class BlockedSessions:
    """Looks from a session that waits for nobody. Each wait is told once, and its end."""

    def __init__(self, troubles: Troubles, on_problem: Callable[[Problem], None]) -> None:
        self._troubles = troubles
        self._on_problem = on_problem
        self._waits: dict[str, LastingProblem] = {}

    def look(self, connection: Connection) -> None:
        """Who waits now, for whom. Raises psycopg.Error."""
        found: dict[str, str] = {}
        for waiting, table, *holder in connection.execute(_QUERIES["blocked"], prepare=True):
            found[waiting] = f"it waits for a lock on {table}, held by {session_name(*holder)}"
        for part in self._waits.keys() - found.keys():
            self._troubles.over(part, _SERVICE)
            self._waits.pop(part).is_over(f"{part}: no longer waits for a lock")
        for part, cause in found.items():
            self._troubles.met(part, _SERVICE, cause)
            wait = self._waits.setdefault(part, LastingProblem("monitor", self._on_problem))
            wait.tell(f"{part}: {cause}", facts={"loop": part})
