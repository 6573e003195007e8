"""Does the live schema have what the YAML names? Reads the catalogs, changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from core.settings.models import Settings
from core.settings.watches import Constant, Watch
from rtp_client.moment import UTC
from triggers.catalog import ServerRights, TableFacts, has_time_zone, read_server, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

OLDEST_SERVER = 140000
NUMERIC_TYPES = frozenset({"numeric", "smallint", "integer", "bigint", "real", "double precision"})
VALUE_TYPES = NUMERIC_TYPES | {"text", "character varying", "character"}
TIME_TYPES = frozenset({"timestamp with time zone", "timestamp without time zone", "date"})
_WRONG_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where in the YAML, what, and how to mend it."""

    where: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}. {self.remedy}"


def validate(connection: Connection, settings: Settings) -> list[Finding]:
    """Everything that would keep the settings' triggers from being installed in this database."""
    server = read_server(connection)
    findings = list(_check_server(server))
    for name, watch in settings.watches.items():
        table = read_table(connection, watch.table_parts)
        if table is None:
            remedy = "Create it, or correct the name (schema.table)"
            findings.append(Finding(f"watches.{name}.table", f"table {watch.table} does not exist", remedy))
            continue
        findings.extend(_check_table(name, watch, table, server))
        findings.extend(_check_columns(name, watch, table))
        if watch.timezone != UTC and not has_time_zone(connection, watch.timezone):
            problem = f"PostgreSQL knows no time zone {watch.timezone}"
            findings.append(Finding(f"watches.{name}.timezone", problem, "Name one of pg_timezone_names"))
    return findings


def _check_server(server: ServerRights) -> Iterator[Finding]:
    if server.version_number < OLDEST_SERVER:
        yield Finding("postgres", f"the server is PostgreSQL {server.version}", "rtp needs 14 or newer")
    if not server.has_rtp_schema and not server.may_create_schema:
        yield Finding(
            "postgres",
            f"role {server.role} may not create the schema rtp in database {server.database}",
            f'As its owner: GRANT CREATE ON DATABASE "{server.database}" TO "{server.role}"',
        )
    if server.has_rtp_schema and not server.may_use_rtp_schema:
        yield Finding(
            "postgres",
            f"role {server.role} may not use the schema rtp",
            "Connect as the role that installed it, or have it granted",
        )


def _check_table(name: str, watch: Watch, table: TableFacts, server: ServerRights) -> Iterator[Finding]:
    where = f"watches.{name}.table"
    if watch.table_parts[0] == "rtp":
        # Its trigger would write to what it watches.
        yield Finding(where, f"{watch.table} is in rtp's own schema", "Watch a table of your own")
        return
    if table.relkind in _WRONG_KINDS:
        problem = f"{watch.table} is {_WRONG_KINDS[table.relkind]}"
        yield Finding(where, problem, "Triggers need a table; name the table below it")
        return
    schema, relation = watch.table_parts
    if not table.may_use_schema:
        remedy = f'As its owner: GRANT USAGE ON SCHEMA "{schema}" TO "{server.role}"'
        yield Finding(where, f"role {server.role} may not use the schema {schema}", remedy)
    for allowed, privilege in ((table.may_add_triggers, "TRIGGER"), (table.may_select, "SELECT")):
        if not allowed:
            remedy = f'As its owner: GRANT {privilege} ON "{schema}"."{relation}" TO "{server.role}"'
            yield Finding(where, f"role {server.role} lacks {privilege} on {watch.table}", remedy)
    key = _key_columns(watch)
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


def _key_columns(watch: Watch) -> frozenset[str]:
    return frozenset(
        column for column in (watch.columns.chain, watch.columns.entity) if not isinstance(column, Constant)
    )


def _check_columns(name: str, watch: Watch, table: TableFacts) -> Iterator[Finding]:
    wanted = {"value": VALUE_TYPES, "confidence": NUMERIC_TYPES, "changed_at": TIME_TYPES}
    for role, column in watch.columns:
        if column is None or isinstance(column, Constant):
            continue
        where = f"watches.{name}.columns.{watch.about.entity if role == 'entity' else role}"
        if column not in table.column_types.names:
            yield _missing_column(where, column, watch, table)
        elif column in table.virtual_columns:
            yield _virtual_column(where, column, watch)
        elif role in wanted and table.column_types[column] not in wanted[role]:
            found, types = table.column_types[column], ", ".join(sorted(wanted[role]))
            yield Finding(where, f"column {column} of {watch.table} is {found}", f"It must be one of: {types}")
    for index, column in enumerate(watch.watched):
        where = f"watches.{name}.watched[{index}]"
        if column not in table.column_types.names:
            yield _missing_column(where, column, watch, table)
        elif column in table.virtual_columns:
            yield _virtual_column(where, column, watch)


def _missing_column(where: str, column: str, watch: Watch, table: TableFacts) -> Finding:
    close = get_close_matches(column, table.column_types.names, n=1)
    known = ", ".join(sorted(table.column_types.names))
    remedy = f"Did you mean {close[0]}?" if close else f"Its columns are: {known}"
    return Finding(where, f"{watch.table} has no column {column}", remedy)


def _virtual_column(where: str, column: str, watch: Watch) -> Finding:
    problem = f"column {column} of {watch.table} is computed when it is read, which PostgreSQL's triggers cannot do"
    return Finding(where, problem, "Make it a stored column, or name the columns it is computed from")
