"""What is proposed: watches with reasons, and what looks like something and yet cannot be watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.discovery.picture import FoundTable

Keys = Mapping[str, Any]
"""Keys of a watch, or of a kind, as YAML has them."""

_OTHER_COLUMNS = frozenset({"chain", "value", "changed_at", "source", "provenance", "confidence"})


@dataclass(frozen=True)
class WatchProposal:
    """A watch. `kind` is what defines a kind of one's own, under the watch's `kind`.

    `notes` are facts to know, each on a line.
    """

    name: str
    table: FoundTable
    value: str | None
    title: str
    watch: Keys
    reason: str
    kind: Keys | None = None
    notes: tuple[str, ...] = ()
    remarks: Mapping[str, str] = field(default_factory=dict)
    """What stands behind some of the watch's keys in the file."""
    history: WatchProposal | None = None
    """Of the latest values, another table's history."""

    @property
    def place(self) -> str:
        """The column, or the table, that it is about."""
        return self.table.place if self.value is None else f"{self.table.place}.{self.value}"

    @property
    def is_history(self) -> bool:
        return self.watch.get("shape") == "history"

    @property
    def entity(self) -> str:
        """The column that names what a row is about."""
        columns: Mapping[str, str] = self.watch["columns"]
        return next(column for key, column in columns.items() if key not in _OTHER_COLUMNS)

    @property
    def line(self) -> str:
        """What it is and why, on one line."""
        return f"{self.place} looks like {self.title}: {self.reason}"

    def with_keys(self, changes: Keys, *, notes: tuple[str, ...] = ()) -> WatchProposal:
        """The same with other keys; None takes one away."""
        watch = {key: value for key, value in {**self.watch, **changes}.items() if value is not None}
        return replace(self, watch=watch, notes=(*self.notes, *notes))


@dataclass(frozen=True)
class Unfit:
    """Something that looks like a measure and cannot be watched as it is: why, and what would help."""

    place: str
    looks_like: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        looks = f" looks like {self.looks_like}, but" if self.looks_like else ":"
        return f"{self.place}{looks} {self.reason}. {self.remedy}"


@dataclass(frozen=True)
class Proposals:
    """All that a look came to."""

    watches: tuple[WatchProposal, ...]
    unfit: tuple[Unfit, ...]
    plain: tuple[str, ...]
    """The tables in which nothing looks like anything."""
