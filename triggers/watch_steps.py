"""What installing, changing or removing one watch means for a database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from psycopg import sql

from rtp_client.moment import UTC
from triggers.compiler import CompiledWatch, compile_watch, noted_types, trigger_names
from triggers.expressions import function
from triggers.steps import Action, Step, Touch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from core.settings.models import TriggerSettings
    from core.settings.watches import Watch
    from triggers.catalog import InstalledTrigger, TableFacts, WatchRow

_COMPILED_FUNCTIONS = (
    ("rare", "(text)"),
    ("now", "(text, text)"),
    ("now", "(text[], text[])"),
    ("fields", "(text[], text[])"),
)
_WAKE = sql.SQL("SELECT rtp.wake()")
_TRAVELS_ALONG = frozenset({"changed_at", "confidence", "provenance"})


def install_watch(
    name: str,
    watch: Watch,
    table: TableFacts,
    *,
    watch_id: int,
    before: WatchRow | None,
    triggers: Iterable[InstalledTrigger],
    options: TriggerSettings,
    was_blind: bool = False,
) -> Step:
    """Bring one watch to what the settings say; `before` is what is installed of it, `triggers` are all of rtp's.

    `was_blind`: the watch may have missed writes to all of its table, though what is there may be as it should be.
    """
    was_blind = was_blind or (before is not None and before.was_blind)
    tables = [watch.table_parts, *table.partitions]
    names = trigger_names(name, watch)
    ours = [t for t in triggers if t.function == f"watch_{name}"]
    there = {(t.schema, t.table, t.name) for t in ours if t.is_enabled}
    stale = [t for t in ours if t.name not in names or (t.schema, t.table) not in tables]
    bare = [parts for parts in tables if not {(*parts, trigger) for trigger in names} <= there]
    is_blind = was_blind or _is_replaced(before, table) or bool(bare)
    is_remapped = before is not None and _mapping(before.settings) != _mapping(_settings(watch))
    begins = before is None or is_remapped or starts_over(before, table, options)
    # Before it, writers must be kept out: what is within the band of the trigger before is in no baseline.
    catches_up = before is not None and watch.is_sampled and not before.is_sampled
    # Of a table with many partitions, a new one is soon made and soon read; the writers of the others go on meanwhile.
    is_whole = begins or catches_up or was_blind or bool(stale) or watch.table_parts in bare or not bare

    def compiled(rules: int) -> CompiledWatch:
        return compile_watch(
            name,
            watch,
            watch_id=watch_id,
            rules=rules,
            column_types=table.column_types,
            tables=tables if is_whole else bare,
            unseen=[watch.table_parts] if is_whole else bare,
            statistics=options.statistics,
        )

    rules = before.rules if before else 1
    result = compiled(rules)
    # The rules of a watch that is sampled are in its settings alone.
    is_changed = before is None or before.function_md5 != result.md5 or before.settings != _settings(watch)
    if before and not (is_changed or before.is_altered or is_blind or stale):
        is_noted = before.column_types == noted_types(watch, table.column_types)
        return Step(Action("unchanged", f"watch {name}", watch.table), () if is_noted else (result.note,))
    if before and is_changed:
        # Baselines carry the revision of the rules that their band was made with: none of them holds any more.
        rules += 1
        result = compiled(rules)
    becomes_plain = before is not None and before.is_sampled and not watch.is_sampled
    makes_triggers = begins or catches_up or is_blind or bool(stale)
    touches = [
        Touch(
            ".".join(parts),
            makes=tuple(trigger_names(name, watch)),
            is_read=parts == watch.table_parts and (begins or catches_up or is_blind),
        )
        for parts in tables
    ]
    return Step(
        Action("replaced" if before else "created", f"watch {name}", _detail(watch, before, is_blind=is_blind)),
        (
            _register(name, watch, watch_id, rules, result.md5),
            *((drop_triggers(f"watch_{name}"),) if stale else ()),
            *result.functions,
            # Creating triggers keeps writers out until the end: nobody changes what the seed reads.
            *(result.triggers if makes_triggers else ()),
            *(_forget(watch_id) if before and begins else ()),
            *(_end_memory(watch_id) if becomes_plain else ()),
            *(result.content if is_blind and not begins else ()),
            *(result.catch_up if catches_up else ()),
            *(result.seed if begins or catches_up else ()),
            result.note,
            *((_WAKE,) if is_blind and not begins else ()),
        ),
        (*dropped_triggers(ours if stale else ()), *(touches if makes_triggers else ())),
    )


def starts_over(before: WatchRow, table: TableFacts, options: TriggerSettings) -> bool:
    """Whether the table was replaced, and what the new one holds is to be the baseline."""
    return _is_replaced(before, table) and options.on_replace == "baseline"


def _is_replaced(before: WatchRow | None, table: TableFacts) -> bool:
    return before is not None and before.table_oid not in (None, table.oid)


def remove_watch(watch: WatchRow, triggers: Iterable[InstalledTrigger]) -> Step:
    """Take a watch out that the settings no longer name; its events stay in the log until they are delivered."""
    return Step(
        Action("removed", f"watch {watch.name}", f"{watch.table_name}, no longer in the settings"),
        (
            drop_triggers(f"watch_{watch.name}"),
            *_drop_functions(watch.name),
            *_forget(watch.id),
            sql.SQL("UPDATE rtp.watch SET removed_at = now() WHERE id = {}").format(sql.Literal(watch.id)),
        ),
        tuple(dropped_triggers(trigger for trigger in triggers if trigger.function == f"watch_{watch.name}")),
    )


def dropped_triggers(triggers: Iterable[InstalledTrigger]) -> Iterator[Touch]:
    """What becomes of their tables, where the function goes that they call."""
    by_table: dict[str, list[str]] = {}
    for trigger in triggers:
        by_table.setdefault(f"{trigger.schema}.{trigger.table}", []).append(trigger.name)
    for table, names in by_table.items():
        yield Touch(table, drops=tuple(names))


def drop_triggers(function: str) -> sql.Composed:
    """The statement that takes all of a function's triggers off their tables.

    To drop a trigger takes the table's owner; to drop the function, and with it what calls it, takes ours.
    """
    return sql.SQL("DROP FUNCTION IF EXISTS {}() CASCADE").format(sql.Identifier("rtp", function))


def _drop_functions(name: str) -> Iterator[sql.Composed]:
    for what, arguments in _COMPILED_FUNCTIONS:
        yield sql.SQL("DROP FUNCTION IF EXISTS {}{}").format(function(what, name), sql.SQL(arguments))


def _register(name: str, watch: Watch, watch_id: int, rules: int, md5: str) -> sql.Composed:
    settings = json.dumps(_settings(watch), sort_keys=True)
    values = (watch_id, name, watch.kind, watch.table, settings, md5, rules, watch.is_sampled)
    return sql.SQL(
        "INSERT INTO rtp.watch (id, name, kind, table_name, settings, function_md5, rules, is_sampled) "
        "VALUES ({}, {}, {}, {}, {}::jsonb, {}, {}, {}) "
        "ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, table_name = excluded.table_name, "
        "settings = excluded.settings, function_md5 = excluded.function_md5, rules = excluded.rules, "
        "is_sampled = excluded.is_sampled, removed_at = NULL, missed_since = NULL"
    ).format(*map(sql.Literal, values))


def _forget(watch_id: int) -> Iterator[sql.Composed]:
    for table in ("sample", "judge_cursor", "look", "baseline", "set_aside"):
        yield sql.SQL("DELETE FROM {} WHERE watch = {}").format(sql.Identifier("rtp", table), sql.Literal(watch_id))


def _end_memory(watch_id: int) -> Iterator[sql.Composed]:
    """A trigger that judges by itself has no quarantine, and what is in it must not be released when the judge is back.

    Nor has it appointments: those left would be looked over, in vain, at each look for what has come. Whose row is gone
    is looked for in the table.
    """
    yield sql.SQL(
        "INSERT INTO rtp.look (watch, chain, entity, waits_for, gone_at, gone_confidence, gone_provenance) "
        "SELECT watch, chain, entity, '{{}}', gone_at, last_confidence, last_provenance "
        "FROM rtp.baseline WHERE watch = {} AND gone_at IS NOT NULL ON CONFLICT DO NOTHING"
    ).format(sql.Literal(watch_id))
    yield sql.SQL(
        "UPDATE rtp.baseline SET suspect_value = NULL, suspect_since = NULL, suspect_count = 0, due_at = NULL, "
        "gone_at = NULL, gone_xid = NULL "
        "WHERE watch = {} AND (suspect_since IS NOT NULL OR due_at IS NOT NULL OR gone_at IS NOT NULL)"
    ).format(sql.Literal(watch_id))


def _settings(watch: Watch) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(watch.model_dump_json(exclude_none=True))
    return settings


def _mapping(settings: Mapping[str, Any]) -> tuple[object, ...]:
    """What a watch's baselines stand for: with another table or column they mean nothing any more."""
    is_history = settings.get("shape") == "history"
    columns = {role: column for role, column in settings["columns"].items() if role not in _TRAVELS_ALONG}
    time = (settings["columns"].get("changed_at"), settings.get("timezone", UTC)) if is_history else None
    return (settings["kind"], settings["table"], is_history, columns, time)


def _detail(watch: Watch, before: WatchRow | None, *, is_blind: bool) -> str:
    changes = list(_differences(before.settings, _settings(watch))) if before else []
    parts = [watch.table, "triggers" if is_blind else "function only", *changes]
    return ", ".join(parts)


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Each setting that differs, as `percent: 1 -> 2`."""
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f"{path}{key}.")
        elif old != new:
            yield f"{path}{key}: {_shown(old)} -> {_shown(new)}"


def _shown(value: Any) -> str:
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
