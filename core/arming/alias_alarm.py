"""What a running rtp says of tables of aliases: that they cannot be read any more, or hold others than are installed.

Triggers have the aliases of the last installation in them, so nothing that becomes of such a table reaches a writer or
an event. But the cache's readers look into it as it is, and so will the next installation. rtp run never takes a change
over by itself: a table that is just being filled anew would take every name from what is known of it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from core.arming.alias_tables import AliasesLocked, AliasesUnreadable, with_aliases
from core.errors import InstallError
from core.problem import LastingProblem
from core.services.postgres import queries
from rtp_client.redact import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from psycopg import Connection

    from core.problem import Problem
    from core.settings.watches import Watch
    from core.trouble import Troubles

_QUERIES = queries("core.sql", "arming.sql")
_SERVICE = "PostgreSQL"
# Whoever rebuilds the table is not to hold up the look at what matters more.
_LOCK_TIMEOUT = "50ms"
_MOST_NAMED = 3
_AS_INSTALLED = "Rows go on to mean what they meant at the last installation, while readers of the cache"
_AS_IT_IS = f"{_AS_INSTALLED} look into the table as it is"
_WITHOUT = f"{_AS_INSTALLED} get an error for what is not cached"


class AliasAlarm:
    """Tells once of each watch, and again of another cause; as long as it lasts, that is a trouble of `aliases of …`.

    `declared` are the watches as the settings have them, which name the tables.
    """

    def __init__(
        self, declared: Mapping[str, Watch], troubles: Troubles, on_problem: Callable[[Problem], None]
    ) -> None:
        self._watches = {name: watch for name, watch in declared.items() if watch.alias_tables}
        self._troubles = troubles
        self._new_problem = partial(LastingProblem, "arming", on_problem)
        self._problems = {name: self._new_problem() for name in self._watches}

    @property
    def has_tables(self) -> bool:
        """Whether the settings name any."""
        return bool(self._watches)

    def look(self, connection: Connection) -> None:
        """Read the tables, and compare them with what is installed. Raises psycopg.Error."""
        found = connection.execute(_QUERIES["installed_aliases"], {"watches": [*self._watches]}).fetchall()
        installed = {name: {"aliases": aliases, "chain_aliases": chains} for name, aliases, chains in found}
        for name, watch in self._watches.items():
            if name not in installed:
                self._forget(name)
                continue
            try:
                now = with_aliases(connection, watch, lock_timeout=_LOCK_TIMEOUT)
            except AliasesLocked:
                continue
            except InstallError as error:
                meanwhile = _WITHOUT if isinstance(error, AliasesUnreadable) else _AS_IT_IS
                self._met(name, watch, error.message, meanwhile, error.remedy)
                continue
            if cause := "; ".join(_differences(watch, now, installed[name])):
                self._met(name, watch, cause, _AS_IT_IS, "Run `rtp install-triggers`")
            else:
                self._troubles.over(_part(name), _SERVICE)
                self._problems[name].is_over(f"watch {name}: its aliases are those of its table again")

    def rest(self) -> None:
        """Nobody looks for now: what the next look finds is told anew."""
        for name in self._watches:
            self._forget(name)

    def _met(self, name: str, watch: Watch, cause: str, meanwhile: str, remedy: str) -> None:
        self._troubles.met(_part(name), _SERVICE, f"{cause}. {remedy}")
        facts = {"watch": name, "table": watch.table, "cause": cause, "remedy": remedy}
        self._problems[name].tell(f"watch {name}: {cause}. {meanwhile}. {remedy}", facts=facts, cause=cause)

    def _forget(self, name: str) -> None:
        self._troubles.over(_part(name), _SERVICE)
        self._problems[name] = self._new_problem()


def _part(name: str) -> str:
    return f"aliases of {name}"


def _differences(watch: Watch, now: Watch, installed: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Of each table that holds others than are installed: what is new, and what has gone."""
    for key, table in watch.alias_tables.items():
        held, before = (getattr(now, key) or {}).items(), installed[key].items()
        changes = [
            *(f"{shown(former)} -> {shown(name)} is new" for former, name in sorted(held - before)),
            *(f"{shown(former)} -> {shown(name)} is gone" for former, name in sorted(before - held)),
        ]
        if changes:
            more = len(changes) - _MOST_NAMED
            rest = f", and {more:,} more" if more > 0 else ""
            yield f"{table.table} holds others than are installed: {', '.join(changes[:_MOST_NAMED])}{rest}"
