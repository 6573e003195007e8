"""Installing and removing rtp in a database: all of it in one transaction, or nothing."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from core.database import one_line
from core.errors import InstallError
from core.log import SCHEMA_VERSION
from triggers.catalog import read_server, read_strangers, read_table, read_triggers, read_watches
from triggers.compiler import CompiledWatch, compile_watch, function_name
from triggers.validator import validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from psycopg import Connection

    from core.settings import Settings
    from core.watches import Watch
    from triggers.catalog import InstalledTrigger, InstalledWatch

# Whoever waits for a lock on a table makes everyone behind it wait as well: give up before users notice.
LOCK_TIMEOUT = "3s"
_INSTALL_LOCK = (7500912, 3)
_SCHEMA = files("triggers").joinpath("sql", "schema.sql").read_text(encoding="utf-8")
_OWN_TABLES = re.findall(r"^CREATE TABLE rtp\.(\w+)", _SCHEMA, re.MULTILINE)


@dataclass(frozen=True)
class Action:
    """One thing that an installation does, for the report: `what` is created, replaced, removed or unchanged."""

    what: str
    subject: str
    detail: str


@dataclass(frozen=True)
class Step:
    """An action and the statements that carry it out."""

    action: Action
    statements: tuple[sql.SQL | sql.Composed, ...] = ()


def plan_installation(connection: Connection, settings: Settings) -> list[Step]:
    """What installing these settings means for this database. Raises InstallError where it cannot work."""
    findings = validate(connection, settings)
    if findings:
        raise InstallError("\n".join(map(str, findings)))
    server = read_server(connection)
    steps = [] if server.has_rtp_schema else [_create_schema()]
    steps.append(_create_functions())
    watches = read_watches(connection) if server.has_rtp_schema else []
    triggers = read_triggers(connection)
    for name, watch in settings.watches.items():
        table = read_table(connection, watch.table_parts)
        assert table is not None
        compiled = compile_watch(
            name, watch, watch_id=_watch_id(name, watches, settings), column_types=table.column_types
        )
        steps.append(_install_watch(name, watch, compiled, watches, triggers, settings))
    steps.extend(_remove_watch(w, triggers) for w in watches if w.name not in settings.watches and not w.is_removed)
    return steps


def plan_removal(connection: Connection) -> list[Step]:
    """What removing rtp from this database means; nothing of it stays behind. Raises InstallError.

    A role called rtp finds the schema rtp first in its search_path, and may have made tables of its own in there.
    """
    server = read_server(connection)
    if strangers := read_strangers(connection, _OWN_TABLES):
        raise InstallError(
            f"the schema rtp holds tables that are not rtp's: {', '.join(strangers)}",
            "Move them (ALTER TABLE ... SET SCHEMA public): removing rtp would remove them, too",
        )
    triggers = read_triggers(connection)
    steps = [
        Step(
            Action("removed", f"{trigger.schema}.{trigger.table}", f"trigger {trigger.name}"),
            (_drop_trigger(trigger),),
        )
        for trigger in triggers
    ]
    if server.has_rtp_schema:
        drop = sql.SQL("DROP SCHEMA rtp CASCADE")
        steps.append(Step(Action("removed", "schema rtp", "log, baselines, cursors, dead letters"), (drop,)))
    return steps


def apply(connection: Connection, steps: Iterable[Step]) -> None:
    """Carry the steps out in one transaction. Raises InstallError, with nothing changed, where one fails."""
    step: Step | None = None
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", _INSTALL_LOCK)
            for step in steps:
                for statement in step.statements:
                    connection.execute(statement)
    except psycopg.errors.LockNotAvailable as error:
        subject = step.action.subject if step else "the installation lock"
        raise InstallError(
            f"could not lock {subject} within {LOCK_TIMEOUT}; nothing was changed",
            "A long transaction is using it: try again when it has ended",
        ) from error
    except psycopg.Error as error:
        subject = step.action.subject if step else "the database"
        raise InstallError(f"{subject}: {one_line(error)}; nothing was changed", _remedy(error)) from error


def render(connection: Connection, steps: Iterable[Step]) -> str:
    """The steps as the SQL that `apply` would run, one transaction."""
    lines = ["BEGIN;", f"SET LOCAL lock_timeout TO '{LOCK_TIMEOUT}';"]
    for step in steps:
        subject = " ".join(step.action.subject.split())  # a table's name can hold the end of a line
        lines.append(f"\n-- {step.action.what}: {subject}")
        lines.extend(statement.as_string(connection).rstrip().rstrip(";") + ";" for statement in step.statements)
    return "\n".join([*lines, "\nCOMMIT;"])


def _remedy(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "The README names the grants that rtp's role needs"
    return ""


def _create_schema() -> Step:
    version = sql.SQL("INSERT INTO rtp.installation (schema_version) VALUES ({})").format(sql.Literal(SCHEMA_VERSION))
    return Step(
        Action("created", "schema rtp", "log, baselines, cursors, dead letters"),
        (_file("schema.sql"), version),
    )


def _create_functions() -> Step:
    return Step(Action("replaced", "schema rtp", "functions that the triggers share"), (_file("functions.sql"),))


def _file(filename: str) -> sql.SQL:
    text = files("triggers").joinpath("sql", filename).read_text(encoding="utf-8")
    return sql.SQL(text)


def _watch_id(name: str, watches: Iterable[InstalledWatch], settings: Settings) -> int:
    known = {watch.name: watch.id for watch in watches}
    new = [other for other in settings.watches if other not in known]
    return known[name] if name in known else max(known.values(), default=0) + 1 + new.index(name)


def _install_watch(
    name: str,
    watch: Watch,
    compiled: CompiledWatch,
    watches: Iterable[InstalledWatch],
    triggers: Iterable[InstalledTrigger],
    settings: Settings,
) -> Step:
    function_md5 = hashlib.md5(compiled.function.as_string(None).encode(), usedforsecurity=False).hexdigest()
    definition = watch.model_dump(mode="json") | {"function_md5": function_md5}
    before = next((w for w in watches if w.name == name and not w.is_removed), None)
    ours = [t for t in triggers if t.function == f"watch_{name}"]
    in_place = [t for t in ours if (t.schema, t.table) == watch.table_parts and t.name in compiled.trigger_names]
    stale = [t for t in ours if t not in in_place]
    has_triggers = len(in_place) == len(compiled.triggers)
    if before and before.definition.get("function_md5") == function_md5 and has_triggers and not stale:
        return Step(Action("unchanged", f"watch {name}", watch.table))
    is_remapped = before is not None and _mapping(before.definition) != _mapping(definition)
    watch_id = sql.Literal(_watch_id(name, watches, settings))
    register = sql.SQL(
        "INSERT INTO rtp.watch (id, name, kind, table_name, definition) VALUES ({}, {}, {}, {}, {}::jsonb) "
        "ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, table_name = excluded.table_name, "
        "definition = excluded.definition, removed_at = NULL"
    ).format(
        watch_id,
        *map(sql.Literal, (name, watch.kind, watch.table, json.dumps(definition, sort_keys=True))),
    )
    statements: list[sql.SQL | sql.Composed] = [register, compiled.function, *map(_drop_trigger, stale)]
    detail = f"{watch.table}, function"
    if is_remapped or not has_triggers:
        statements += compiled.triggers  # which keeps writers out until the end: nobody changes what the seed reads
        detail = f"{watch.table}, {len(compiled.triggers)} triggers"
        if is_remapped:
            statements.append(_forget_baselines(watch_id))
        if compiled.seed is not None:
            statements.append(compiled.seed)
    return Step(Action("replaced" if before else "created", f"watch {name}", detail), tuple(statements))


def _mapping(definition: Mapping[str, Any]) -> tuple[object, ...]:
    """What a watch's baselines stand for: with another table or column they mean nothing any more."""
    columns = [definition["columns"].get(role) for role in ("chain", "protocol", "token", "value")]
    return (definition["kind"], definition["table"], *columns)


def _forget_baselines(watch_id: sql.Literal) -> sql.Composed:
    return sql.SQL("DELETE FROM rtp.baseline WHERE watch = {}").format(watch_id)


def _remove_watch(watch: InstalledWatch, triggers: Iterable[InstalledTrigger]) -> Step:
    ours = [trigger for trigger in triggers if trigger.function == f"watch_{watch.name}"]
    return Step(
        Action("removed", f"watch {watch.name}", f"{watch.table_name}, no longer in the settings"),
        (
            *map(_drop_trigger, ours),
            sql.SQL("DROP FUNCTION IF EXISTS {}()").format(function_name(watch.name)),
            _forget_baselines(sql.Literal(watch.id)),
            sql.SQL("UPDATE rtp.watch SET removed_at = now() WHERE id = {}").format(sql.Literal(watch.id)),
        ),
    )


def _drop_trigger(trigger: InstalledTrigger) -> sql.Composed:
    return sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(
        sql.Identifier(trigger.name), sql.Identifier(trigger.schema, trigger.table)
    )
