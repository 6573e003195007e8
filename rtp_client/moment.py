"""A column's time as PostgreSQL is asked for it. Pure: no connection."""

from __future__ import annotations

from psycopg import sql

UTC = "UTC"
# There are times beyond those that every reader can hold; of the last ones PostgreSQL cannot change the zone.
_ZONELESS = sql.SQL(
    "CASE WHEN {column} > '9999-12-31' THEN 'infinity'::timestamptz"
    " WHEN {column} >= '0001-01-02' THEN {column}::timestamp AT TIME ZONE {zone} END"
)
ZONELESS_TYPES = frozenset({"timestamp without time zone", "date"})


def moment(column: sql.Composable, column_type: str, zone: str) -> sql.Composed:
    """The column as timestamptz. A type without a zone is read in `zone`, whatever the session's own time zone is."""
    if column_type not in ZONELESS_TYPES:
        return sql.SQL("{}::timestamptz").format(column)
    return _ZONELESS.format(column=column, zone=sql.Literal(zone))
