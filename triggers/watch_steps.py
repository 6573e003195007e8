"""What installing, changing or removing one watch means for a database."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from psycopg import sql

from triggers.compiler import compile_watch, noted_types, trigger_names
from triggers.expressions import function
from triggers.identity import key_columns
from triggers.needs import needs_of, settings_document, tables_of
from triggers.steps import Action, Step, Touch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from core.settings.models import TriggerSettings
    from core.settings.watches import Watch
    from triggers.catalog import InstalledTrigger, TableFacts, WatchRow
    from triggers.compiler import CompiledWatch
    from triggers.needs import Needs

_COMPILED_FUNCTIONS = (
    ("rare", "(text)"),
    ("now", "(text, text)"),
    ("now", "(text[], text[])"),
    ("fields", "(text[], text[])"),
)
_WAKE = sql.SQL("SELECT rtp.wake()")


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
    ours = [trigger for trigger in triggers if trigger.function == f"watch_{name}"]
    needs = needs_of(name, watch, table, before, ours, options, was_blind=was_blind)
    compiled = partial(
        compile_watch,
        name,
        watch,
        watch_id=watch_id,
        column_types=table.column_types,
        tables=tables_of(watch, table) if needs.is_whole else needs.bare,
        unseen=() if needs.is_whole else [_rows_of(parts, watch, table) for parts in needs.bare],
        statistics=options.statistics,
        may_exchange=not watch.is_history and table.may_exchange(key_columns(watch)),
    )
    rules = before.rules if before else 1
    result = compiled(rules=rules)
    # The rules of a watch that is sampled are in its settings alone.
    is_changed = before is None or before.function_md5 != result.md5 or before.settings != settings_document(watch)
    if before and not (is_changed or before.is_altered or needs.is_blind or needs.stale):
        is_noted = before.column_types == noted_types(watch, table.column_types)
        return Step(Action("unchanged", f"watch {name}", watch.table), () if is_noted else (result.note,))
    if before and is_changed:
        # Baselines carry the revision of the rules that their band was made with: none of them holds any more.
        rules += 1
        result = compiled(rules=rules)
    return Step(
        Action("replaced" if before else "created", f"watch {name}", _detail(watch, before, is_blind=needs.is_blind)),
        (
            _register(name, watch, watch_id, rules, result.md5),
            *_statements(name, watch_id, needs, result, is_there=before is not None),
        ),
        tuple(_touches(name, watch, table, needs, ours)),
    )


def _statements(
    name: str, watch_id: int, needs: Needs, result: CompiledWatch, *, is_there: bool
) -> Iterator[sql.SQL | sql.Composed]:
    if needs.stale:
        yield drop_triggers(f"watch_{name}")
    yield from result.functions
    if needs.makes_triggers:  # which keeps writers out until the end: nobody changes what is read below
        yield from result.triggers
    if is_there and needs.begins:
        yield from _forget(watch_id)
    if needs.carries_over:
        yield from result.carry_over
    if needs.becomes_plain:
        yield from _end_memory(watch_id)
    if needs.judges_content:
        yield from result.content
    if needs.catches_up:
        yield from result.catch_up
    if needs.begins or needs.catches_up:
        yield from result.seed
    yield result.note
    if needs.judges_content or needs.carries_over:
        yield _WAKE


def _touches(
    name: str, watch: Watch, table: TableFacts, needs: Needs, ours: Sequence[InstalledTrigger]
) -> Iterator[Touch]:
    if needs.stale:
        yield from dropped_triggers(ours)
    if needs.makes_triggers:
        names = tuple(trigger_names(name, watch))
        is_read = needs.begins or needs.catches_up or needs.is_blind
        for parts in tables_of(watch, table):
            yield Touch(".".join(parts), makes=names, is_read=is_read and parts == watch.table_parts)


def _rows_of(parts: tuple[str, ...], watch: Watch, table: TableFacts) -> sql.Composable:
    """A table's rows; those of a partition that the role may not read by itself, through the watched table."""
    if parts not in table.hidden:
        return sql.Identifier(*parts)
    oid = sql.Literal(sql.Identifier(*parts).as_string(None))
    return sql.SQL("(SELECT * FROM {} WHERE tableoid = {}::regclass)").format(sql.Identifier(*watch.table_parts), oid)


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
    settings = json.dumps(settings_document(watch), sort_keys=True)
    values = (watch_id, name, watch.kind, watch.table, settings, md5, rules, watch.is_sampled)
    return sql.SQL(
        "INSERT INTO rtp.watch (id, name, kind, table_name, settings, function_md5, rules, is_sampled) "
        "VALUES ({}, {}, {}, {}, {}::jsonb, {}, {}, {}) "
        "ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, table_name = excluded.table_name, "
        "settings = excluded.settings, function_md5 = excluded.function_md5, rules = excluded.rules, "
        "is_sampled = excluded.is_sampled, removed_at = NULL, missed_since = NULL"
    ).format(*map(sql.Literal, values))


def _forget(watch_id: int) -> Iterator[sql.Composed]:
    for table in ("sample", "judge_cursor", "look", "waiting_rename", "baseline", "set_aside", "rename"):
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


def _detail(watch: Watch, before: WatchRow | None, *, is_blind: bool) -> str:
    changes = list(_differences(before.settings, settings_document(watch))) if before else []
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
