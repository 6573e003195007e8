"""What keeps writes to a table from a watch's triggers, and what to do about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_INSTALL = "Run `rtp install-triggers`"
_INSTALL_OR_REARM = f"{_INSTALL}, or let rtp run do so by itself (triggers.rearm)"
NO_TABLES = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
_REARMABLE = frozenset({"replaced", "missing", "unwatched", "retyped"})
_MOST_NAMED = 3
_PLAIN = re.compile("[a-z_][a-z0-9_]*")


class Obstacle(NamedTuple):
    """One of them, as core/sql/arming.sql finds it: `what` is one of its words."""

    what: str
    place: str
    details: Sequence[str] = ()

    @property
    def is_rearmable(self) -> bool:
        """Whether rtp may install anew by itself: what is disabled or altered was done on purpose."""
        return self.what in _REARMABLE and not self._is_no_table

    @property
    def _is_no_table(self) -> bool:
        return self.what == "replaced" and self.details[0] in NO_TABLES

    def remedy(self, table: str) -> str:
        """What to do about it: a sentence without its full stop."""
        if self._is_no_table:
            return "Name the table below it in the settings, then run `rtp install-triggers`"
        # In a statement to be pasted names stand as SQL writes them.
        return _REMEDIES[self.what].format(
            place=self.place,
            table=_quoted(*table.split(".")),
            below=_quoted(*self.place.split(".")),
            role=_quoted(*self.details[:1]),
        )


def problem(what: str, obstacles: Sequence[Obstacle], table: str) -> str:
    """What is wrong with `table`, of obstacles that are all `what`: half a sentence."""
    return _PROBLEMS[what](table, obstacles)


def _quoted(*parts: str) -> str:
    return ".".join(part if _PLAIN.fullmatch(part) else '"{}"'.format(part.replace('"', '""')) for part in parts)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _places(obstacles: Sequence[Obstacle]) -> str:
    return _listed([obstacle.place for obstacle in obstacles])


def _replaced(table: str, obstacles: Sequence[Obstacle]) -> str:
    _, former, details = obstacles[0]
    kind = NO_TABLES.get(details[0], "another table")
    return (
        f"{table} is {kind}, and not what rtp was installed on, which is {f'called {former}' if former else 'gone'} now"
    )


def _of_triggers(how: str) -> Callable[[str, Sequence[Obstacle]], str]:
    def told(_: str, obstacles: Sequence[Obstacle]) -> str:
        names = sorted({name for obstacle in obstacles for name in obstacle.details})
        return f"triggers of {_places(obstacles)} are {how}: {_listed(names)}"

    return told


def _retyped(table: str, obstacles: Sequence[Obstacle]) -> str:
    changes = [f"column {column} was {before} and is {now}" for _, column, (before, now) in obstacles]
    return f"{table} has changed: {_listed(changes)}"


def _silenced(table: str, obstacles: Sequence[Obstacle]) -> str:
    roles = [f"role {place}" if place else "every role" for _, place, _ in obstacles]
    return f"session_replication_role is replica for {_listed(roles)}, whose writes do not fire the triggers of {table}"


_PROBLEMS: dict[str, Callable[[str, Sequence[Obstacle]], str]] = {
    "replaced": _replaced,
    "gone": lambda table, _: f"{table} does not exist any more",
    "renamed": lambda table, found: f"{table} is called {found[0].place} now",
    "missing": _of_triggers("missing"),
    "disabled": _of_triggers("disabled"),
    "diverted": _of_triggers("not rtp's any more"),
    "unwatched": lambda table, found: f"partitions of {table} have no triggers: {_places(found)}",
    "retyped": _retyped,
    "lost": lambda table, found: f"{table} has no such column any more: {_places(found)}",
    "altered": lambda _, found: f"{found[0].place} is not the function that was installed",
    "hidden": lambda table, found: f"row level security hides rows of {table} from role {found[0].details[0]}",
    "unreadable": lambda table, found: f"role {found[0].details[0]} may not read {table}",
    "subscribed": lambda table, found: (
        f"{table} is filled by subscription {_places(found)}, which fires no such triggers"
    ),
    "inherited": lambda table, found: f"what is written to {_places(found)}, below {table}, fires none of its triggers",
    "below": lambda table, found: (
        f"{table} is a part of {_places(found)}, and what is written to that fires no trigger here"
    ),
    "remote": lambda table, found: f"partitions of {table} are foreign tables, written elsewhere: {_places(found)}",
    "hypertable": lambda table, _: f"{table} is a hypertable, which keeps its rows in tables of their own",
    "silenced": _silenced,
}
_REMEDIES = {
    "replaced": _INSTALL_OR_REARM,
    "gone": "Create it and run `rtp install-triggers`, or take the watch out of the settings",
    "renamed": "Rename it back, or correct `table` in the settings and run `rtp install-triggers`",
    "missing": _INSTALL_OR_REARM,
    "disabled": _INSTALL,
    "diverted": _INSTALL,
    "unwatched": _INSTALL_OR_REARM,
    "retyped": _INSTALL_OR_REARM,
    "lost": "Correct `columns` in the settings and run `rtp install-triggers`",
    "altered": _INSTALL,
    "hidden": "ALTER ROLE {role} BYPASSRLS, or CREATE POLICY rtp ON {table} FOR SELECT TO {role} USING (true)",
    "unreadable": "As its owner: GRANT SELECT ON {table} TO {role}, and USAGE on its schema",
    "subscribed": "Watch the table in the publisher's database, where it is written",
    "inherited": "ALTER TABLE {below} NO INHERIT {table}, or make it a partition, or watch it, too",
    "below": "Watch {place}",
    "remote": "Watch that table where it is written, and detach it from {table}",
    "hypertable": "Watch a plain or partitioned table",
    "silenced": "ALTER TABLE {table} ENABLE ALWAYS TRIGGER, for each of rtp's, or reset that setting",
}
