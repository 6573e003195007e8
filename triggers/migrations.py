"""rtp's own schema: numbered migrations, each run once, and the functions that triggers share, run when changed.

`sql/migrations/0001_schema.sql` is the schema to read. A later change is a new file with the next number.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from psycopg import sql

from core.errors import InstallError
from triggers.steps import Action, Step, Touch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import Connection

    from triggers.catalog import InstallationRow

_SQL = files("triggers").joinpath("sql")


@cache
def migrations() -> Sequence[str]:
    """The migrations' SQL, in order; the first is number 1."""
    names = sorted(file.name for file in _SQL.joinpath("migrations").iterdir() if file.name.endswith(".sql"))
    return tuple(_SQL.joinpath("migrations", name).read_text(encoding="utf-8") for name in names)


def newest_version() -> int:
    """The version of the schema that this rtp works with."""
    return len(migrations())


def own_tables() -> list[str]:
    """The tables that rtp keeps in its schema."""
    created = r"^CREATE (?:UNLOGGED )?TABLE rtp\.(\w+)"
    return [name for migration in migrations() for name in re.findall(created, migration, re.MULTILINE)]


@cache
def _functions() -> Sequence[str]:
    names = sorted(file.name for file in _SQL.joinpath("functions").iterdir() if file.name.endswith(".sql"))
    return tuple(_SQL.joinpath("functions", name).read_text(encoding="utf-8") for name in names)


def schema_steps(installed: InstallationRow | None, watched: Iterable[str] = ()) -> list[Step]:
    """What brings the schema to this rtp's version, which is no older; `watched` are the tables with triggers."""
    version = installed.schema_version if installed else 0
    newest = newest_version()
    steps = []
    if version < newest:
        steps += [_lock_watched(watched)] if installed else []
        steps += [_migrate(version, newest)]
    functions_md5 = hashlib.md5("\n".join(_functions()).encode(), usedforsecurity=False).hexdigest()
    if installed is None or installed.functions_md5 != functions_md5:
        steps.append(_replace_functions(functions_md5))
    return steps


def _lock_watched(watched: Iterable[str]) -> Step:
    return Step(
        Action("migrated", "the watched tables", "their writers wait until the end"),
        (sql.SQL(_SQL.joinpath("lock_watched.sql").read_text(encoding="utf-8").rstrip("\n")),),
        tuple(Touch(table, keeps_writers_out=True) for table in watched),
    )


def end_running(installed: InstallationRow | None) -> list[Step]:
    """What comes last where the schema changes under an rtp run: it must not go on by the version of before."""
    if installed is None or installed.schema_version == newest_version():
        return []
    action = Action("ended", "rtp run", f"those of schema version {installed.schema_version}; start the new ones")
    return [Step(action, (sql.SQL(_SQL.joinpath("end_running.sql").read_text(encoding="utf-8").rstrip("\n")),))]


def refuse_newer(installed: InstallationRow | None) -> None:
    """Raise InstallError where a newer rtp has been here, before anything else of its schema is read."""
    if installed is not None:
        _refuse_newer(installed.schema_version)


def check_not_newer(connection: Connection) -> None:
    """Raise InstallError where a newer rtp has migrated the schema, which may have been after the plan was made."""
    row = connection.execute("SELECT schema_version FROM rtp.installation").fetchone()
    _refuse_newer(row[0] if row else 0)


def _refuse_newer(version: int) -> None:
    if version > newest_version():
        raise InstallError(
            f"the database has rtp schema version {version}, this rtp knows {newest_version()}",
            "Install, or remove, with the newer rtp",
        )


def _migrate(version: int, newest: int) -> Step:
    note = sql.SQL(
        "INSERT INTO rtp.installation (schema_version) VALUES ({version}) "
        "ON CONFLICT (only_row) DO UPDATE SET schema_version = {version}"
    ).format(version=sql.Literal(newest))
    action = (
        Action("migrated", "schema rtp", f"version {version} to {newest}")
        if version
        else Action("created", "schema rtp", "log, baselines, cursors, dead letters")
    )
    return Step(action, (*map(sql.SQL, migrations()[version:]), note))


def _replace_functions(functions_md5: str) -> Step:
    note = sql.SQL("UPDATE rtp.installation SET functions_md5 = {}").format(sql.Literal(functions_md5))
    action = Action("replaced", "schema rtp", "functions that the triggers share")
    return Step(action, (*map(sql.SQL, _functions()), note))
