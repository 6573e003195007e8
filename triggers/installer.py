"""Installing and removing rtp in a database: planned first, then all of it in one transaction, or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from core.arming.alias_tables import with_aliases
from core.errors import InstallError
from core.judging.waiting import read_waiting
from core.own_version import own_version
from core.problem import counted
from core.services.locks import INSTALLATION, holders_of_tables
from core.services.postgres import OWN_SETTINGS, own_transaction
from rtp_client.errors import one_line
from triggers.catalog import (
    is_amid_a_piece,
    read_installation,
    read_own_objects,
    read_server,
    read_strangers,
    read_triggers,
    read_watches,
)
from triggers.migrations import check_not_newer, end_running, own_tables, refuse_newer, schema_steps
from triggers.needs import has_new_aliases, starts_over
from triggers.steps import Action, Step
from triggers.validator import read_watched, validate
from triggers.watch_steps import drop_triggers, dropped_triggers, install_watch, remove_watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from psycopg import Connection

    from core.settings.models import Settings, TriggerSettings
    from core.settings.watches import Watch
    from triggers.catalog import InstalledTrigger, Server, TableFacts, WatchRow
    from triggers.validator import Finding, WatchedTables

# Whoever waits for a lock on a table makes everyone behind it wait as well: give up before users notice.
LOCK_TIMEOUT = "3s"
# Not by to_regclass(), which refuses whoever may not use the schema.
_IS_THERE = sql.SQL(
    "SELECT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname || '.' || c.relname = {})"
).format(sql.Literal(INSTALLATION))
_LOCK = sql.SQL("LOCK TABLE rtp.installation IN EXCLUSIVE MODE")


def plan_installation(connection: Connection, settings: Settings, tables: WatchedTables | None = None) -> list[Step]:
    """What installing these settings means for this database. Raises InstallError where it cannot work.

    A watch that is installed, and for which a right has come to lack, say on a new partition, stays as it is: it keeps
    no other one from being changed. `tables` are as `read_watched` finds them, where they have been read already.
    """
    with own_transaction(connection):
        return _plan_installation(connection, settings, tables)


def _plan_installation(connection: Connection, settings: Settings, tables: WatchedTables | None) -> list[Step]:
    tables = read_watched(connection, settings) if tables is None else tables
    findings = validate(connection, settings, tables)
    if any(finding.lacks_right_on is None for finding in findings):
        raise _refusal(findings)
    installed = read_installation(connection)
    refuse_newer(installed)
    watches = read_watches(connection) if installed else []
    triggers = read_triggers(connection)
    steps = schema_steps(installed, dict.fromkeys(f"{trigger.schema}.{trigger.table}" for trigger in triggers))
    # Where rtp's own tables change, no watch stays as another version of rtp has installed it.
    is_same_schema = not steps
    for name, declared in settings.watches.items():
        before = next((w for w in watches if w.name == name and not w.is_removed), None)
        read = {".".join(one.table_parts) for one in (declared, *declared.alias_tables.values())}
        if lacking := [one for one in findings if one.lacks_right_on in read]:
            if before is None or not is_same_schema:
                raise _refusal(findings)
            steps.append(Step(Action("held up", f"watch {name}", "; ".join(map(str, lacking)))))
            continue
        watch_id = _watch_id(name, watches, settings)
        watch = with_aliases(connection, declared)
        table = tables[watch.table_parts]
        steps.append(plan_watch(connection, name, watch, table, settings.triggers, watch_id, before, triggers))
    gone = (watch for watch in watches if watch.name not in settings.watches and not watch.is_removed)
    steps.extend(remove_watch(watch, triggers) for watch in gone)
    steps.extend(end_running(installed))
    if findings and all(step.action.what in {"unchanged", "held up"} for step in steps):
        raise _refusal(findings)
    return count_installation(steps)


def _refusal(findings: Iterable[Finding]) -> InstallError:
    return InstallError("\n".join(map(str, findings)))


def plan_watch(
    connection: Connection,
    name: str,
    watch: Watch,
    table: TableFacts,
    options: TriggerSettings,
    watch_id: int,
    before: WatchRow | None,
    triggers: Sequence[InstalledTrigger],
    *,
    was_blind: bool = False,
) -> Step:
    """What installing one watch means; otherwise as `install_watch`. Raises InstallError."""
    if before and starts_over(before, table, options) and (waiting := read_waiting(connection)[name].samples):
        raise InstallError(
            f"watch {name}: {counted(waiting, 'sample')} of the table before {watch.table} still wait to be judged",
            "Start rtp run and try again, or set triggers.on_replace to judge",
        )
    if before and has_new_aliases(before, watch) and is_amid_a_piece(connection, watch_id):
        raise InstallError(
            f"watch {name} has new aliases, and many samples under the names of before still wait to be judged",
            "Start rtp run, and try again when it keeps up",
        )
    return install_watch(
        name,
        watch,
        table,
        watch_id=watch_id,
        before=before,
        triggers=triggers,
        options=options,
        was_blind=was_blind,
    )


def count_installation(steps: list[Step]) -> list[Step]:
    """The same, the last step that changes anything being the one that counts the installation."""
    last = max((place for place, step in enumerate(steps) if step.statements), default=None)
    count = sql.SQL("UPDATE rtp.installation SET revision = revision + 1, installed_by = {}").format(
        sql.Literal(own_version())
    )
    return [
        replace(step, statements=(*step.statements, count)) if place == last else step
        for place, step in enumerate(steps)
    ]


def find_drift(connection: Connection, settings: Settings, tables: WatchedTables | None = None) -> list[Action]:
    """What an installation would do now: nothing, unless settings, tables or rtp have changed since the last one.

    `tables` as for `plan_installation`.
    """
    steps = plan_installation(connection, settings, tables)
    return [step.action for step in steps if step.action.what != "unchanged"]


def is_held_up(steps: Iterable[Step]) -> bool:
    """Whether a watch stays as it is, as a right is lacking."""
    return any(step.action.what == "held up" for step in steps)


def plan_removal(connection: Connection) -> list[Step]:
    """What removing rtp from this database means; nothing of it stays behind. Raises InstallError.

    A role called rtp finds the schema rtp first in its search_path, and may have made tables of its own in there.
    """
    with own_transaction(connection):
        return _plan_removal(connection)


def _plan_removal(connection: Connection) -> list[Step]:
    installed = read_installation(connection)
    refuse_newer(installed)
    if strangers := read_strangers(connection, own_tables()):
        raise InstallError(
            f"the schema rtp holds tables that are not rtp's: {', '.join(strangers)}",
            "Move them (ALTER TABLE ... SET SCHEMA public): removing rtp would remove them, too",
        )
    server = read_server(connection)
    if installed is None:
        return []
    if not server.is_installer:
        raise InstallError(
            f"role {server.role} is not the one that installed rtp in this database", f"Connect as {server.installer}"
        )
    return [*_remove_triggers(read_triggers(connection)), _remove_schema(connection, server)]


def _remove_triggers(triggers: Iterable[InstalledTrigger]) -> Iterator[Step]:
    """A step for each, of which the first of a function removes all of that."""
    functions = set()
    for trigger in triggers:
        action = Action("removed", f"{trigger.schema}.{trigger.table}", f"trigger {trigger.name}")
        statements = () if trigger.function in functions else (drop_triggers(trigger.function),)
        yield Step(action, statements, tuple(dropped_triggers([trigger])))
        functions.add(trigger.function)


def _remove_schema(connection: Connection, server: Server) -> Step:
    detail = "log, baselines, cursors, dead letters"
    if server.owns_schema:
        return Step(Action("removed", "schema rtp", detail), (sql.SQL("DROP SCHEMA rtp CASCADE"),))
    detail = f"{detail}; the empty schema stays, which is {server.schema_owner}'s to remove: DROP SCHEMA rtp"
    return Step(Action("removed", "schema rtp", detail), tuple(map(sql.SQL, read_own_objects(connection))))


def apply(connection: Connection, steps: Iterable[Step]) -> None:
    """Carry the steps out in one transaction. Raises InstallError, with nothing changed, where one fails."""
    step: Step | None = None
    try:
        with own_transaction(connection):
            connection.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
            if connection.execute(_IS_THERE).fetchone() == (True,):
                connection.execute(_LOCK)
                check_not_newer(connection)
            for step in steps:
                for statement in step.statements:
                    connection.execute(statement)
    except psycopg.errors.LockNotAvailable as error:
        subject = step.action.subject if step else INSTALLATION
        holders = _holders(connection, step) or "A long transaction"
        raise InstallError(
            f"could not lock {subject} within {LOCK_TIMEOUT}; nothing was changed",
            f"{holders} is using it: try again when that has ended",
        ) from error
    except psycopg.errors.DeadlockDetected as error:
        subject = step.action.subject if step else "the database"
        raise InstallError(
            f"{subject} is in use by somebody who waits for us in turn; nothing was changed", "Try again"
        ) from error
    except psycopg.Error as error:
        subject = step.action.subject if step else "the database"
        raise InstallError(f"{subject}: {one_line(error)}; nothing was changed", _remedy(error)) from error


def _holders(connection: Connection, step: Step | None) -> str:
    """Who has what a step, or before the first one the installation itself, has waited for."""
    return holders_of_tables(connection, [touch.table for touch in step.touches] if step else [INSTALLATION])


def render(connection: Connection, steps: Iterable[Step]) -> str:
    """The steps as the SQL that `apply` would run, one transaction."""
    settings = {**OWN_SETTINGS, "lock_timeout": LOCK_TIMEOUT}
    lines = ["BEGIN;", *(_set_local(name, value) for name, value in settings.items())]
    for step in steps:
        subject = " ".join(step.action.subject.split())  # a table's name can hold the end of a line
        lines.append(f"\n-- {step.action.what}: {subject}")
        lines.extend(statement.as_string(connection).rstrip().rstrip(";") + ";" for statement in step.statements)
    return "\n".join([*lines, "\nCOMMIT;"])


def _set_local(name: str, value: str) -> str:
    values = ", ".join(f"'{part}'" for part in value.split(", "))
    return f"SET LOCAL {name} TO {values};"


def _remedy(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "`rtp grants` prints what rtp's role needs"
    return ""


def _watch_id(name: str, watches: Iterable[WatchRow], settings: Settings) -> int:
    known = {watch.name: watch.id for watch in watches}
    new = [other for other in settings.watches if other not in known]
    return known[name] if name in known else max(known.values(), default=0) + 1 + new.index(name)
