"""Does the live schema have what the YAML names? Reads the catalogs, changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from psycopg import sql

from core.arming.alias_tables import with_aliases
from core.arming.look import read_obstacles
from core.arming.obstacle import NO_TABLES, problem
from core.errors import InstallError
from core.readable import NUMERIC_TYPES, TIME_TYPES, VALUE_TYPES
from core.settings.models import Settings
from core.settings.watches import Constant, Watch
from rtp_client.moment import UTC
from triggers.catalog import Server, TableFacts, has_time_zone, read_server, read_table, read_tables
from triggers.identity import key_columns
from triggers.rights import lacking, rights_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from psycopg import Connection

    from core.arming.obstacle import Obstacle

    WatchedTables: TypeAlias = Mapping[tuple[str, ...], TableFacts]
    """Those of the watches' tables that are there, by schema and name."""

OLDEST_SERVER = 140000


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where in the YAML, what, and how to mend it.

    `lacks_right_on` is the watched table that a right of the role's is missing for, where that is what is wrong.
    """

    where: str
    problem: str
    remedy: str
    lacks_right_on: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}. {self.remedy}"


def read_watched(connection: Connection, settings: Settings) -> WatchedTables:
    """Those of the watches' tables that are there, by schema and name."""
    return read_tables(connection, [watch.table_parts for watch in settings.watches.values()])


def validate(connection: Connection, settings: Settings, tables: WatchedTables | None = None) -> list[Finding]:
    """Everything that would keep the settings' triggers from being installed in this database, or from seeing all.

    `tables` are as `read_watched` finds them, where they have been read already.
    """
    server = read_server(connection)
    findings = [*_check_server(server), *_check_rights(connection, settings, server)]
    tables = read_watched(connection, settings) if tables is None else tables
    obstacles = _read_obstacles(connection, settings, tables)
    for name, watch in settings.watches.items():
        table = tables.get(watch.table_parts)
        if table is None:
            remedy = "Create it, or correct the name (schema.table)"
            findings.append(Finding(f"watches.{name}.table", f"table {watch.table} does not exist", remedy))
            continue
        findings.extend(_check_table(name, watch, table))
        findings.extend(_check_columns(name, watch, table))
        findings.extend(_check_obstacles(name, watch, obstacles.get(table.oid, ())))
        findings.extend(_check_aliases(connection, name, watch, {finding.lacks_right_on for finding in findings}))
        if watch.timezone != UTC and not has_time_zone(connection, watch.timezone):
            problem = f"PostgreSQL knows no time zone {watch.timezone}"
            findings.append(Finding(f"watches.{name}.timezone", problem, "Name one of pg_timezone_names"))
    return findings


def _check_server(server: Server) -> Iterator[Finding]:
    if server.version_number < OLDEST_SERVER:
        yield Finding("postgres", f"the server is PostgreSQL {server.version}", "rtp needs 14 or newer")
    if server.is_installer is False:
        # What is in the schema is that role's, and only its owner can change it.
        grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(server.installer or ""), sql.Identifier(server.role))
        yield Finding(
            "postgres",
            f"role {server.role} is not the one that installed rtp in this database, which is {server.installer}",
            f"Connect as {server.installer}, or have it granted: {grant.as_string(None)}",
        )


def _check_rights(connection: Connection, settings: Settings, server: Server) -> Iterator[Finding]:
    rights = rights_of(connection, settings, server.role)
    if server.is_installer is False:
        rights = [right for right in rights if (right.kind, right.name) != ("SCHEMA", "rtp")]
    places = {
        ".".join(one.table_parts): f"watches.{name}.{key}.table"
        for name, watch in settings.watches.items()
        for key, one in watch.alias_tables.items()
    }
    places |= {".".join(watch.table_parts): f"watches.{name}.table" for name, watch in settings.watches.items()}
    for finding in lacking(rights, server.role, places):
        yield Finding(*finding)


def _check_table(name: str, watch: Watch, table: TableFacts) -> Iterator[Finding]:
    where = f"watches.{name}.table"
    if watch.table_parts[0] == "rtp":
        # Its trigger would write to what it watches.
        yield Finding(where, f"{watch.table} is in rtp's own schema", "Watch a table of your own")
        return
    if table.relkind in NO_TABLES:
        problem = f"{watch.table} is {NO_TABLES[table.relkind]}"
        yield Finding(where, problem, "Triggers need a table; name the table below it")
        return
    key = key_columns(watch)
    if (
        not watch.is_history
        and key <= table.column_types.names.keys()
        and not any(unique <= key for unique in table.unique_keys)
    ):
        columns = ", ".join(sorted(key)) or "none"
        yield Finding(
            where,
            f"{watch.table} may hold several rows per entity: no unique key within ({columns})",
            "Add a unique index on these columns, or say `shape: history` if each row is a sample",
        )


def _read_obstacles(
    connection: Connection, settings: Settings, tables: WatchedTables
) -> Mapping[int, Sequence[Obstacle]]:
    names = {
        table.oid: watch.table
        for watch in settings.watches.values()
        if (table := tables.get(watch.table_parts)) and table.relkind not in NO_TABLES
    }
    return read_obstacles(connection, names, [table.oid for table in tables.values()])


def _check_obstacles(name: str, watch: Watch, obstacles: Sequence[Obstacle]) -> Iterator[Finding]:
    """What would keep writes, or rows, from a trigger that is there: the same that a running rtp looks for."""
    found = [obstacle for obstacle in obstacles if obstacle.what != "unreadable"]
    for what, alike in groupby(found, key=attrgetter("what")):
        each = list(alike)
        yield Finding(f"watches.{name}.table", problem(what, each, watch.table), each[0].remedy(watch.table))


def _check_aliases(
    connection: Connection, name: str, watch: Watch, unreadable: Collection[str | None]
) -> Iterator[Finding]:
    """Aliases that stand in tables: what is there must lead to names of today."""
    usable = True
    for key, aliases in watch.alias_tables.items():
        where, table = f"watches.{name}.{key}", read_table(connection, aliases.table_parts)
        if ".".join(aliases.table_parts) in unreadable:
            usable = False
        elif table is None:
            usable = False
            remedy = "Create it, or correct the name (schema.table)"
            yield Finding(f"{where}.table", f"table {aliases.table} does not exist", remedy)
        elif table.relkind in NO_TABLES:
            usable = False
            # A view runs its owner's functions with the reader's rights.
            yield Finding(f"{where}.table", f"{aliases.table} is {NO_TABLES[table.relkind]}", "Name a table")
        else:
            for role, column in (("from", aliases.former), ("to", aliases.now)):
                if column not in table.column_types.names:
                    usable = False
                    yield _missing_column(f"{where}.{role}", column, aliases.table, table)
    if usable:
        try:
            with_aliases(connection, watch)
        except InstallError as error:
            yield Finding(f"watches.{name}", error.message, error.remedy)


def _check_columns(name: str, watch: Watch, table: TableFacts) -> Iterator[Finding]:
    wanted = {"value": VALUE_TYPES, "confidence": NUMERIC_TYPES, "changed_at": TIME_TYPES}
    for role, column in watch.columns:
        if column is None or isinstance(column, Constant):
            continue
        where = f"watches.{name}.columns.{watch.about.entity if role == 'entity' else role}"
        if column not in table.column_types.names:
            yield _missing_column(where, column, watch.table, table)
        elif column in table.virtual_columns:
            yield _virtual_column(where, column, watch)
        elif role in wanted and table.column_types[column] not in wanted[role]:
            found, types = table.column_types[column], ", ".join(sorted(wanted[role]))
            yield Finding(where, f"column {column} of {watch.table} is {found}", f"It must be one of: {types}")
    for index, column in enumerate(watch.watched):
        where = f"watches.{name}.watched[{index}]"
        if column not in table.column_types.names:
            yield _missing_column(where, column, watch.table, table)
        elif column in table.virtual_columns:
            yield _virtual_column(where, column, watch)


def _missing_column(where: str, column: str, name: str, table: TableFacts) -> Finding:
    close = get_close_matches(column, table.column_types.names, n=1)
    known = ", ".join(sorted(table.column_types.names))
    remedy = f"Did you mean {close[0]}?" if close else f"Its columns are: {known}"
    return Finding(where, f"{name} has no column {column}", remedy)


def _virtual_column(where: str, column: str, watch: Watch) -> Finding:
    problem = f"column {column} of {watch.table} is computed when it is read, which PostgreSQL's triggers cannot do"
    return Finding(where, problem, "Make it a stored column, or name the columns it is computed from")
