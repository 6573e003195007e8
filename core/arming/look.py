"""One look at whether the installed watches are armed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

from core.arming.obstacle import Obstacle, problem
from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from psycopg import Connection

_QUERIES = queries("core.sql", "arming.sql")


@dataclass(frozen=True)
class WatchArming:
    """A watch, its table, and what keeps writes to that table from the watch: of one that is armed, nothing."""

    watch: str
    table: str
    installed_at: datetime | None
    obstacles: tuple[Obstacle, ...]

    @property
    def is_armed(self) -> bool:
        return not self.obstacles

    @property
    def is_rearmable(self) -> bool:
        """Whether rtp may install it again by itself, and that would help."""
        return any(obstacle.is_rearmable for obstacle in self.obstacles)

    @property
    def may_miss_more(self) -> bool:
        """Whether writes may be missed that an installation would not find by itself, as it finds a new partition."""
        return any(obstacle.what != "unwatched" for obstacle in self.obstacles)

    @property
    def cause(self) -> str:
        """What is wrong, as part of a sentence; empty where nothing is."""
        kinds = groupby(self.obstacles, attrgetter("what"))
        return "; ".join(problem(what, list(alike), self.table) for what, alike in kinds)

    @property
    def remedy(self) -> str:
        """What to do about the first of it; empty where nothing is wrong."""
        return self.obstacles[0].remedy(self.table) if self.obstacles else ""

    def __str__(self) -> str:
        if self.is_armed:
            return f"watch {self.watch} is armed"
        return f"watch {self.watch} is not armed: {self.cause}. {self.remedy}"


def read_arming(connection: Connection) -> list[WatchArming]:
    """Every installed watch. Raises psycopg.Error."""
    rows = connection.execute(_whole("arming"), {}).fetchall()
    hypertables = _read_hypertables(connection)
    watches = []
    for (watch, table, installed_at), found in groupby(rows, itemgetter(0, 1, 2)):
        obstacles = _obstacles((row[3:] for row in found if row[3] is not None), table, hypertables)
        watches.append(WatchArming(watch, table, installed_at, obstacles))
    return watches


def note_missed(connection: Connection, watches: Iterable[WatchArming]) -> None:
    """Have the next installation judge what the tables hold of those that miss writes, whatever is mended by then."""
    missing = [watch.watch for watch in watches if watch.may_miss_more]
    if missing:
        connection.execute(_QUERIES["note_missed"], {"watches": missing})


def read_obstacles(
    connection: Connection, tables: Mapping[int, str], watched: Collection[int]
) -> Mapping[int, tuple[Obstacle, ...]]:
    """What keeps the writes to each of these tables from triggers on it, be there any or not.

    The tables have their names by their oids; `watched` are those with triggers.
    """
    # All at once: to plan this takes far longer than to run it.
    rows = connection.execute(_whole("of_tables"), {"oids": list(tables), "watched": list(watched)}).fetchall()
    hypertables = _read_hypertables(connection)
    return {
        oid: _obstacles((row[1:] for row in rows if row[0] == oid), table, hypertables) for oid, table in tables.items()
    }


def _obstacles(
    rows: Iterable[tuple[str, str, list[str]]], table: str, hypertables: Collection[str]
) -> tuple[Obstacle, ...]:
    found = (Obstacle(*row) for row in rows)
    if (table if "." in table else f"public.{table}") not in hypertables:
        return tuple(found)
    # What inherits from it are the tables of its rows.
    return (Obstacle("hypertable", table), *(obstacle for obstacle in found if obstacle.what != "inherited"))


def _read_hypertables(connection: Connection) -> frozenset[str]:
    has_any = connection.execute(_QUERIES["has_hypertables"]).fetchone()
    if has_any is None or not has_any[0]:
        return frozenset()
    return frozenset(row[0] for row in connection.execute(_QUERIES["hypertables"]))


def _whole(query: str) -> bytes:
    return _QUERIES[query].replace(b"{obstacles}", _QUERIES["obstacles"])
