"""A database as it was found: everything that proposals are made from, and nothing that asks for more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from core.readable import NUMERIC_TYPES, TIME_TYPES, VALUE_TYPES, WHOLE_TYPES

Row = Mapping[str, str | None]
"""A row's values as texts."""


@dataclass(frozen=True)
class FoundColumn:
    """A column, with the type below all its domains. It `is_text` where its values are words: an enumeration's, too.

    `is_readable` is where its text needs no function of a stranger's.
    """

    name: str
    type: str
    is_text: bool = False
    is_readable: bool = True

    @property
    def is_of_the_catalog(self) -> bool:
        """Whether its type is PostgreSQL's own: every other one is named with its schema."""
        return "." not in self.type

    @property
    def is_number(self) -> bool:
        return self.type in NUMERIC_TYPES

    @property
    def is_whole(self) -> bool:
        return self.type in WHOLE_TYPES

    @property
    def can_name(self) -> bool:
        """Whether it can be what something is called: a word, or at least a whole number."""
        return self.is_text or self.is_whole

    @property
    def can_be_value(self) -> bool:
        return self.is_readable and self.type in VALUE_TYPES

    @property
    def is_time(self) -> bool:
        return self.type in TIME_TYPES


@dataclass(frozen=True)
class FoundTable:
    """A table, with all its partitions.

    `rows` is an estimate, None where nobody has counted; the rates are averages a minute. `sample` are some of its
    rows; `newest` has the newest time of each column of times. `obstacle` is what is in the way of any watch.
    """

    schema: str
    name: str
    columns: tuple[FoundColumn, ...]
    unique_keys: frozenset[frozenset[str]] = frozenset()
    rows: int | None = None
    bytes: int = 0
    partitions: int = 0
    inserts_per_minute: float | None = None
    updates_per_minute: float | None = None
    sample: tuple[Row, ...] = ()
    newest: Mapping[str, datetime] = field(default_factory=dict)
    obstacle: str = ""
    remedy: str = ""

    @property
    def place(self) -> str:
        """Its name, as settings have it."""
        return f"{self.schema}.{self.name}"

    @cached_property
    def by_name(self) -> Mapping[str, FoundColumn]:
        """Its columns by their names."""
        return {column.name: column for column in self.columns}

    def values(self, column: str) -> list[str]:
        """What the sampled rows hold in a column, but for nulls."""
        return [value for row in self.sample if (value := row.get(column)) is not None]


@dataclass(frozen=True)
class Picture:
    """A database, with a session's time zone and the clock at the time of the look."""

    database: str
    role: str
    tables: tuple[FoundTable, ...]
    now: datetime
    zone: str = "UTC"
    counted_since: datetime | None = None
