"""Whether a table holds the latest value of each entity, or a history of them; or neither, for what it lacks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.discovery.times import epochs

if TYPE_CHECKING:
    from core.discovery.picture import FoundTable
    from core.discovery.roles import Roles


@dataclass(frozen=True)
class Lacking:
    """What is in the way, and what would help."""

    reason: str
    remedy: str


def shape_of(table: FoundTable, roles: Roles) -> Literal["latest", "history"] | Lacking:
    """The shape, by the unique keys, else by rows that are about the same entity."""
    if roles.naming.is_key:
        return "latest"
    if roles.naming.others:
        return _too_many(table, roles)
    several = roles.naming.is_timed_key or roles.has_many_sources or _is_repeated(table, roles)
    if several and roles.changed_at is not None:
        return "history"
    key = ", ".join(map(quoted, roles.key))
    names = " and ".join(roles.key)
    if several:
        return Lacking(
            f"a row is a sample of {names}, and no column of a timestamp type says when it was taken",
            _time_remedy(table),
        )
    how = "" if table.partitions else "CONCURRENTLY "
    remedy = f"CREATE UNIQUE INDEX {how}ON {quoted(table.schema)}.{quoted(table.name)} ({key})"
    if not table.sample:
        return Lacking(
            f"it is empty, and without a unique key within {names} its shape cannot be told",
            f"Write some rows, or: {remedy}",
        )
    return Lacking(f"it has no unique key within {names}, so an entity could have several rows", remedy)


def _too_many(table: FoundTable, roles: Roles) -> Lacking:
    """A key of more columns than rtp names an entity by."""
    others = roles.naming.others
    joined = " || ':' || ".join(quoted(column) for column in (roles.entity, *others))
    place = f"{quoted(table.schema)}.{quoted(table.name)}"
    return Lacking(
        f"{roles.entity} has a row for each {' and '.join(others)}, and rtp goes by one column beside the chain",
        "A column that joins them would do, which rewrites the table:"
        f" ALTER TABLE {place} ADD COLUMN name text GENERATED ALWAYS AS ({joined}) STORED",
    )


def _is_repeated(table: FoundTable, roles: Roles) -> bool:
    counts = Counter(tuple(row.get(column) for column in roles.key) for row in table.sample)
    return any(count > 1 for count in counts.values())


def _time_remedy(table: FoundTable) -> str:
    for column, unit in epochs(table):
        seconds = quoted(column) + (" / 1000.0" if unit == "milliseconds" else "")
        place = f"{quoted(table.schema)}.{quoted(table.name)}"
        return (
            f"{column} holds {unit} since 1970. To have it as a time, which rewrites the table: ALTER TABLE {place} ADD"
            f" COLUMN sampled_at timestamptz GENERATED ALWAYS AS (to_timestamp({seconds})) STORED"
        )
    return "Add a column of type timestamptz"


def quoted(name: str) -> str:
    """A name as SQL takes it in any case."""
    return '"{}"'.format(name.replace('"', '""'))
