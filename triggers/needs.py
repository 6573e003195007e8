"""What it takes to make of a watch what the settings say: they are compared with what is installed of it, and where."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rtp_client.moment import UTC
from triggers.compiler import trigger_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.settings.models import TriggerSettings
    from core.settings.watches import Watch
    from triggers.catalog import InstalledTrigger, TableFacts, WatchRow

_ALIASES = ("aliases", "chain_aliases")
_TRAVELS_ALONG = frozenset({"changed_at", "confidence", "provenance"})


@dataclass(frozen=True)
class Needs:
    """What it takes.

    `stale` triggers are on tables, or of a shape, that the watch has no more; `bare` tables lack some of theirs. It may
    have missed writes where it `is_blind`. It `begins` where there are no baselines, or none that mean anything; it
    `catches_up` where its trigger has judged so far, whose baselines do not have what was within the band. It
    `carries_over` to names of today what is remembered under new aliases of them.
    """

    stale: Sequence[InstalledTrigger]
    bare: Sequence[tuple[str, ...]]
    is_blind: bool
    begins: bool
    catches_up: bool
    becomes_plain: bool
    carries_over: bool
    is_whole: bool

    @property
    def makes_triggers(self) -> bool:
        return self.begins or self.catches_up or self.carries_over or self.is_blind or bool(self.stale)

    @property
    def judges_content(self) -> bool:
        return self.is_blind and not self.begins


def needs_of(
    name: str,
    watch: Watch,
    table: TableFacts,
    before: WatchRow | None,
    ours: Sequence[InstalledTrigger],
    options: TriggerSettings,
    *,
    was_blind: bool,
) -> Needs:
    """What is needed; `before` is what is installed of the watch, `ours` are its triggers."""
    was_blind = was_blind or (before is not None and before.was_blind)
    tables, names = tables_of(watch, table), trigger_names(name, watch)
    there = {(t.schema, t.table, t.name) for t in ours if t.is_enabled}
    stale = [t for t in ours if t.name not in names or (t.schema, t.table) not in tables]
    bare = [parts for parts in tables if not {(*parts, trigger) for trigger in names} <= there]
    is_remapped = before is not None and _mapping(before.settings) != _mapping(settings_document(watch))
    begins = before is None or is_remapped or starts_over(before, table, options)
    catches_up = before is not None and watch.is_sampled and not before.is_sampled
    carries_over = before is not None and not begins and has_new_aliases(before, watch)
    return Needs(
        stale,
        bare,
        is_blind=was_blind or _is_replaced(before, table) or bool(bare),
        begins=begins,
        catches_up=catches_up,
        becomes_plain=before is not None and before.is_sampled and not watch.is_sampled,
        carries_over=carries_over,
        # Of many partitions, a new one is soon made and soon read; the writers of the others go on meanwhile.
        is_whole=begins
        or catches_up
        or carries_over
        or was_blind
        or bool(stale)
        or watch.table_parts in bare
        or not bare,
    )


def starts_over(before: WatchRow, table: TableFacts, options: TriggerSettings) -> bool:
    """Whether the table was replaced, and what the new one holds is to be the baseline."""
    return _is_replaced(before, table) and options.on_replace == "baseline"


def has_new_aliases(before: WatchRow, watch: Watch) -> bool:
    """Whether there are aliases that were not installed, under which something may be remembered."""
    settings = settings_document(watch)
    return any(settings.get(key, {}).items() - before.settings.get(key, {}).items() for key in _ALIASES)


def _is_replaced(before: WatchRow | None, table: TableFacts) -> bool:
    return before is not None and before.table_oid not in (None, table.oid)


def tables_of(watch: Watch, table: TableFacts) -> list[tuple[str, ...]]:
    """The watch's table and its partitions: a write to one fires only its own triggers."""
    return [watch.table_parts, *table.partitions]


def settings_document(watch: Watch) -> dict[str, Any]:
    """The watch's settings, as rtp.watch keeps them."""
    settings: dict[str, Any] = json.loads(watch.model_dump_json(exclude_none=True))
    return settings


def _mapping(settings: Mapping[str, Any]) -> tuple[object, ...]:
    """What a watch's baselines stand for: with another table or column they mean nothing any more."""
    is_history = settings.get("shape") == "history"
    columns = {role: column for role, column in settings["columns"].items() if role not in _TRAVELS_ALONG}
    time = (settings["columns"].get("changed_at"), settings.get("timezone", UTC)) if is_history else None
    return (settings["kind"], settings["table"], is_history, columns, time)
