"""Looking at a live database: catalogs, statistics, some rows of each table. Never for long, and changing nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from core.arming.look import read_obstacles
from core.arming.obstacle import problem
from core.discovery.measures import may_tell
from core.discovery.picture import FoundColumn, FoundTable, Picture
from core.errors import SettingsError
from core.services.postgres import own_transaction, queries
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from psycopg import Connection

_QUERIES = queries("core.sql", "discovery.sql")
_ROWS = 2000
_LARGE = 100_000_000
"""So many bytes are too many for the first rows to stand for the others."""
_TEXT_LENGTH = 200
_LIMITS = "SELECT set_config('statement_timeout', '5s', true), set_config('lock_timeout', '1s', true)"
_NO_TABLES = {
    "v": ("it is a view, and triggers fire for what is written to tables", "Watch a table that it is made from"),
    "m": ("it is a materialized view, which fires no triggers", "Watch a table that it is made from"),
    "f": ("its rows are another server's, and what is written there fires no triggers here", "Run rtp on that one"),
}
"""By relkind: what is in the way, and what would help."""
_AGAIN = "Run `rtp init` again when that is over"


def look(
    connection: Connection,
    *,
    schemas: Sequence[str] = (),
    tables: Sequence[str] = (),
    on_progress: Callable[[int, int, str], None] = lambda _done, _all, _what: None,
) -> Picture:
    """Everything that proposals are made from. Each table is looked at in a transaction of its own.

    Raises SettingsError where there is no such schema or table, or none at all.
    """
    with own_transaction(connection, "READ ONLY"), connection.cursor(row_factory=namedtuple_row) as cursor:
        connection.execute(_LIMITS)
        database: Any = cursor.execute(_QUERIES["database"]).fetchone()
        asked = {"schemas": list(schemas) or None, "tables": list(tables) or None}
        found: list[Any] = cursor.execute(_QUERIES["tables"], asked).fetchall()
        oids = [row.oid for row in found]
        columns = _by_table(cursor.execute(_QUERIES["columns"], {"oids": oids}))
        keys = _by_table(cursor.execute(_QUERIES["unique_keys"], {"oids": oids}))
    _check_asked(database.name, schemas, tables, {(row.schema, row.name) for row in found})
    minutes = _minutes(database.counted_since, database.now)
    pictured = []
    for place, row in enumerate(found):
        on_progress(place, len(found), f"{row.schema}.{row.name}")
        table = _table(row, columns[row.oid], keys[row.oid], minutes)
        if row.relkind in _NO_TABLES:
            obstacle, remedy = _NO_TABLES[row.relkind]
            table = replace(table, obstacle=obstacle, remedy=remedy)
        elif may_tell(table.name, table.by_name):
            table = _with_rows(connection, table, row.oid, may_read=row.may_read, is_filtered=row.is_filtered)
        pictured.append(table)
    zone = database.zone or "UTC"
    return Picture(database.name, database.role, tuple(pictured), database.now, zone, database.counted_since)


def _table(row: Any, columns: Iterable[Any], keys: Iterable[Any], minutes: float | None) -> FoundTable:
    """A table as the catalogs have it."""
    return FoundTable(
        schema=row.schema,
        name=row.name,
        columns=tuple(FoundColumn(one.name, one.type, one.is_text, one.is_readable) for one in columns),
        unique_keys=frozenset(frozenset(key.columns) for key in keys),
        rows=row.rows,
        bytes=row.bytes or 0,
        partitions=row.partitions,
        inserts_per_minute=_rate(row.inserted, minutes),
        updates_per_minute=_rate(row.updated, minutes),
    )


def _check_asked(database: str, schemas: Sequence[str], tables: Sequence[str], found: set[tuple[str, str]]) -> None:
    for schema in schemas:
        if schema not in {one for one, _ in found}:
            what = f"option --schema: there is no table in a schema {schema} of database {database}"
            raise SettingsError(what, "Correct the name")
    places = {f"{one}.{name}" for one, name in found}
    for table in tables:
        if not {table, f"public.{table}"} & places:
            what = f"option --table: database {database} has no table {table} of its own"
            raise SettingsError(what, "Name it as schema.table, as it is written; a partition by its table")
    if not found:
        raise SettingsError(f"database {database} holds no tables that rtp could watch", "Connect to the one that does")


def _by_table(rows: Iterable[Any]) -> Mapping[int, list[Any]]:
    groups: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        groups[row.table].append(row)
    return groups


def _minutes(since: datetime | None, now: datetime) -> float | None:
    """For how long PostgreSQL has counted what is written."""
    return None if since is None else max((now - since) / timedelta(minutes=1), 1.0)


def _rate(count: int | None, minutes: float | None) -> float | None:
    return None if count is None or minutes is None else count / minutes


def _with_rows(connection: Connection, table: FoundTable, oid: int, *, may_read: bool, is_filtered: bool) -> FoundTable:
    """The table with some of its rows, or with what is in the way."""
    try:
        with own_transaction(connection, "READ ONLY"):
            connection.execute(_LIMITS)
            if found := read_obstacles(connection, {oid: table.place}, ())[oid]:
                first = found[0]
                alike = [one for one in found if one.what == first.what]
                table = replace(
                    table, obstacle=problem(first.what, alike, table.place), remedy=first.remedy(table.place)
                )
            return _sampled(connection, table) if may_read and not is_filtered else table
    except psycopg.errors.LockNotAvailable:
        return replace(table, obstacle="somebody keeps it locked", remedy=_AGAIN)
    except psycopg.errors.QueryCanceled:
        return replace(table, obstacle="its rows could not be read within 5 s", remedy=_AGAIN)
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.InternalError) as error:
        return replace(table, obstacle=f"its rows cannot be read: {one_line(error)}", remedy="See to that first")


def _sampled(connection: Connection, table: FoundTable) -> FoundTable:
    readable = [column for column in table.columns if column.is_readable and _is_short(column)]
    if not readable:
        return table
    rows = connection.execute(_sample_query(table, readable)).fetchall()
    sample = tuple({column.name: value for column, value in zip(readable, row, strict=True)} for row in rows)
    newest = {}
    for column in readable:
        if column.is_time and (time := _newest(connection, table, column)):
            newest[column.name] = time
    return replace(table, sample=sample, newest=newest)


def _is_short(column: FoundColumn) -> bool:
    """Whether its values are such that roles are found from them: no documents, no arrays."""
    return column.is_text or column.can_be_value or column.is_time or column.type == "uuid"


def _sample_query(table: FoundTable, columns: Sequence[FoundColumn]) -> sql.Composed:
    values = sql.SQL(", ").join(
        sql.SQL("nullif(left(concat({}), {}), '')").format(sql.Identifier(column.name), sql.Literal(_TEXT_LENGTH))
        for column in columns
    )
    parts: dict[str, Any] = {
        "columns": values,
        "table": sql.Identifier(table.schema, table.name),
        "limit": sql.Literal(_ROWS),
    }
    if table.bytes < _LARGE or not table.rows:
        return sql.SQL(_QUERIES["some_rows"].decode()).format(**parts)
    # Pages are chosen, not rows: ten times as many as needed, as some are emptier than others.
    percent = min(100.0, max(0.001, 100 * 10 * _ROWS / table.rows))
    return sql.SQL(_QUERIES["sampled_rows"].decode()).format(percent=sql.Literal(percent), **parts)


def _newest(connection: Connection, table: FoundTable, column: FoundColumn) -> datetime | None:
    """The newest time, where it can be had soon: by an index, or of a table that is not large."""
    query = sql.SQL(_QUERIES["newest"].decode()).format(
        column=sql.Identifier(column.name), table=sql.Identifier(table.schema, table.name)
    )
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('statement_timeout', '1s', true)")
            row = connection.execute(query).fetchone()
            time = datetime.fromisoformat(row[0]) if row and row[0] else None
    except (psycopg.errors.QueryCanceled, ValueError):
        return None
    return time.astimezone(UTC) if time is not None and time.tzinfo else time
