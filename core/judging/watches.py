"""The watches as they are installed, which may not be what the settings file at hand says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from core.errors import NotInstalled
from core.kinds import Kind
from core.services.postgres import queries
from core.settings.watches import ValueWatch, Watch, watch_model

if TYPE_CHECKING:
    from datetime import timedelta

    from psycopg import Connection

_QUERIES = queries("core.sql", "judging.sql")
_COMMON_COLUMNS = frozenset({"chain", "value", "changed_at", "confidence", "provenance", "source"})


@dataclass(frozen=True)
class InstalledWatch:
    """A watch of values; `rules` is the revision of its rules. Where it is not sampled, its trigger judges alone."""

    id: int
    name: str
    watch: ValueWatch
    rules: int
    is_sampled: bool
    max_future: timedelta | None = None


@dataclass(frozen=True)
class InstalledMetadata:
    """A watch of metadata, which its trigger judges; and what it says for rows that say nothing."""

    id: int
    name: str
    confidence: float
    provenance: str | None


@dataclass(frozen=True)
class InstalledWatches:
    """What is installed: the watches by their ids, and the revision that tells whether it still holds."""

    revision: int
    watches: Mapping[int, InstalledWatch]
    metadata: Mapping[int, InstalledMetadata] = field(default_factory=dict)

    @property
    def sampled(self) -> list[InstalledWatch]:
        """The watches that are judged from the sample log."""
        return [watch for watch in self.watches.values() if watch.is_sampled]

    @property
    def histories(self) -> frozenset[int]:
        """The ids of those whose samples have a time of their own."""
        return frozenset(watch.id for watch in self.watches.values() if watch.watch.is_history)


def read_watches(connection: Connection) -> InstalledWatches:
    """What is installed now. Raises NotInstalled where another version of rtp has installed it."""
    rows = connection.execute(_QUERIES["watches"]).fetchall()
    revision = rows[0][0] if rows else 0
    watches = [_installed(*row[1:]) for row in rows if row[1] is not None]
    return InstalledWatches(
        revision,
        {watch.id: watch for watch in watches if isinstance(watch, InstalledWatch)},
        {watch.id: watch for watch in watches if isinstance(watch, InstalledMetadata)},
    )


def watch_as_installed(name: str, settings: Mapping[str, Any]) -> Watch:
    """The watch that rtp.watch keeps the settings of. Raises NotInstalled where another version of rtp installed it."""
    try:
        return watch_model(_kind_of(settings)).model_validate(settings)
    except ValidationError as error:
        raise NotInstalled(
            f"watch {name} was installed by another version of rtp", "Run `rtp install-triggers` of this one"
        ) from error


def _installed(id_: int, name: str, settings: Mapping[str, Any], rules: int) -> InstalledWatch | InstalledMetadata:
    if not _kind_of(settings).has_value:
        return InstalledMetadata(id_, name, float(settings.get("confidence", 1)), settings.get("provenance"))
    watch = watch_as_installed(name, settings)
    assert watch.has_value
    return InstalledWatch(id_, name, watch, rules, watch.is_sampled, watch.future_limit)


def _kind_of(settings: Mapping[str, Any]) -> Kind:
    """The kind, as far as the settings of one of its watches tell: all that its rules need of it.

    The settings at hand may know nothing of it: it may be a kind of the installed settings' own.
    """
    columns = settings["columns"]
    entity = next(iter(columns.keys() - _COMMON_COLUMNS))
    return Kind(settings["kind"], entity, has_value="value" in columns, has_peg=True)
