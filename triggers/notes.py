"""What a watch takes for granted about its table: no fault, and yet to be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtp_client.moment import ZONELESS_TYPES
from triggers.catalog import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

    from core.settings.models import Settings


def find_notes(connection: Connection, settings: Settings) -> Iterator[str]:
    """A line for each column of times without a zone: in which one they are read."""
    for name, watch in settings.watches.items():
        column, table = watch.columns.changed_at, read_table(connection, watch.table_parts)
        if column is not None and table is not None and table.column_types[column] in ZONELESS_TYPES:
            advice = "" if "timezone" in watch.model_fields_set else ". Where its writers mean another one: `timezone:`"
            where = f"watches.{name}.columns.changed_at: column {column} of {watch.table}"
            yield f"{where} has no time zone, and is read as {watch.timezone}{advice}"
