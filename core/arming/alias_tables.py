"""Aliases that stand in a table of the database: what they are now, or why they cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from pydantic import TypeAdapter, ValidationError

from core.arming.obstacle import NO_TABLES
from core.errors import InstallError
from core.services.postgres import queries
from core.settings.aliases import MOST_ALIASES, names_of_today
from core.settings.fields import Text
from rtp_client.errors import one_line
from rtp_client.redact import shown

if TYPE_CHECKING:
    from psycopg import Connection

    from core.settings.aliases import AliasTable
    from core.settings.watches import Watch

_QUERIES = queries("core.sql", "arming.sql")
_LOCK_TIMEOUT = "3s"
# By the types' own output functions: a cast to text may be a function of whoever made the type. And not by policies,
# which are such functions, too, and would leave names out in silence.
_SAFELY = sql.SQL("SELECT set_config('row_security', 'off', true), set_config('lock_timeout', {}, true)")
_READ = sql.SQL("SELECT {} FROM {} AS a LIMIT {}")
_AS_TEXT = sql.SQL("CASE WHEN a.{0} IS NOT NULL THEN pg_catalog.format('%s', a.{0}) END")
_NAME: TypeAdapter[str] = TypeAdapter(Text)


class AliasesUnreadable(InstallError):
    """A table of aliases is gone, has lost a column, or is not rtp's to read."""


class AliasesLocked(InstallError):
    """Somebody keeps a table of aliases locked: what it holds is not known now."""


def with_aliases(connection: Connection, watch: Watch, *, lock_timeout: str = _LOCK_TIMEOUT) -> Watch:
    """The watch with the aliases that its tables hold now. Raises InstallError where they cannot be used."""
    found = {key: _read(connection, table, lock_timeout) or None for key, table in watch.alias_tables.items()}
    if not found:
        return watch
    watch = watch.model_copy(update=found)
    if watch.has_value and (problem := watch.alias_in_overrides):
        raise InstallError(*problem.split(". ", 1))
    return watch


def _read(connection: Connection, table: AliasTable, lock_timeout: str) -> dict[str, str]:
    """Former names, each with its name of today. Raises InstallError where the table or a row cannot be used."""
    columns = sql.SQL(", ").join(_AS_TEXT.format(sql.Identifier(column)) for column in (table.former, table.now))
    query = _READ.format(columns, sql.Identifier(*table.table_parts), sql.Literal(MOST_ALIASES + 1))
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(_SAFELY.format(sql.Literal(lock_timeout)))
            _check_kind(connection, table)
            rows = connection.execute(query).fetchall()
    except psycopg.errors.LockNotAvailable as error:
        raise AliasesLocked(f"{table.table} is locked", "Aliases are read from it: try again") from error
    except psycopg.OperationalError:
        raise
    except psycopg.DatabaseError as error:
        raise AliasesUnreadable(f"{table.table} cannot be read: {one_line(error)}", _remedy(error)) from error
    if len(rows) > MOST_ALIASES:
        raise InstallError(
            f"{table.table} has more than {MOST_ALIASES:,} rows, the most that there can be", "Keep those that are used"
        )
    aliases: dict[str, str] = {}
    for former, now in rows:
        _check_row(table, former, now)
        if aliases.setdefault(former, now) != now:
            raise InstallError(
                f"{table.table}: {shown(former)} leads to {shown(aliases[former])} and to {shown(now)}",
                "Keep one of these rows",
            )
    try:
        return names_of_today(aliases)
    except ValueError as error:
        problem, _, remedy = str(error).partition(". ")
        raise InstallError(f"{table.table}: {problem}", remedy or "Delete that row") from error


def _check_kind(connection: Connection, table: AliasTable) -> None:
    """A view runs its owner's functions with the reader's rights."""
    schema, name = table.table_parts
    kind = connection.execute(_QUERIES["kind_of_table"], {"schema": schema, "name": name}).fetchone()
    if kind is not None and kind[0] in NO_TABLES:
        raise InstallError(f"{table.table}, which aliases are read from, is {NO_TABLES[kind[0]]}", "Name a table")


def _remedy(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "Aliases are read from it: let rtp's role read all of it"
    return "Aliases are read from it: mend the table, or the settings"


def _check_row(table: AliasTable, former: str | None, now: str | None) -> None:
    for column, name in ((table.former, former), (table.now, now)):
        if name:
            try:
                _NAME.validate_python(name)
            except ValidationError:
                problem = "no name of at most 200 characters without control characters"
            else:
                continue
        else:
            problem = "null" if name is None else "empty"
        row = " -> ".join("null" if one is None else f"'{shown(one)}'" for one in (former, now))
        raise InstallError(f"{table.table}: in the row {row}, {column} is {problem}", "Correct that row, or delete it")
