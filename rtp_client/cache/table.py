"""A table that the cache's values come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fixed:
    """Stands where a column could: the same name for every row."""

    name: str


@dataclass(frozen=True)
class TableOfAliases:
    """A table of former names: of each row, the column `former` holds one, and `now` the name of today."""

    name: str
    former: str
    now: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The table's name as identifiers."""
        return tuple(self.name.split(".")) if "." in self.name else ("public", self.name)


EVERYWHERE = Fixed("all")
"""The chain of tables that name none."""


@dataclass(frozen=True)
class Table:
    """Where a reader finds what is not cached: a table of the settings' `watches`, and which column of it holds what.

    `name` is `schema.table`, or a table of the schema `public`. A kind with values has its `value` in one column; of
    metadata the `watched` columns are read. Where `changed_at` names the rows' own time, the newest row of an entity
    counts; `is_history` leaves out rows that have none, and those further ahead of the clock than
    `max_future_seconds`. A time without a zone is one of `timezone`. `aliases` and `chain_aliases` are former names of
    entities and chains, each with its name of today, or a table of them: rows are found by the name of today.
    """

    kind: str
    name: str
    entity: str | Fixed
    chain: str | Fixed = EVERYWHERE
    value: str | None = None
    watched: tuple[str, ...] = ()
    changed_at: str | None = None
    is_history: bool = False
    timezone: str = "UTC"
    max_future_seconds: float | None = 300.0
    aliases: Mapping[str, str] | TableOfAliases | None = field(default=None, hash=False)
    chain_aliases: Mapping[str, str] | TableOfAliases | None = field(default=None, hash=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns that are read."""
        named = (self.entity, self.chain, self.value, *self.watched, self.changed_at)
        return tuple(dict.fromkeys(column for column in named if isinstance(column, str)))

    @property
    def parts(self) -> tuple[str, ...]:
        """The table's name as identifiers."""
        return tuple(self.name.split(".")) if "." in self.name else ("public", self.name)
