"""The last samples that a history's table holds of an entity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.cache.readers import table_of
from core.services.postgres import own_transaction
from rtp_client.cache.lookup import COLUMN_TYPES, samples_query, table_literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

    from core.settings.watches import Watch

# Without an index on entity and time the whole history is read: then a picture is not worth it.
_TABLE_TIMEOUT = "2s"

Samples = list[tuple[int, str | None]]
"""Milliseconds of Unix time, and the value, null for null; the oldest first."""


def read_samples(connection: Connection, watch: Watch, chain: str, entity: str, limit: int) -> Samples:
    """The last samples of an entity. Raises psycopg.Error where the table cannot be read, or not in time."""
    table = table_of(watch)
    with own_transaction(connection, "READ ONLY"):
        connection.execute(
            "SELECT set_config('statement_timeout', %(limit)s, true), set_config('lock_timeout', %(limit)s, true)",
            {"limit": _TABLE_TIMEOUT},
        )
        types: dict[str, str] = dict(connection.execute(COLUMN_TYPES, {"table": table_literal(table)}).fetchall())
        asked = {"chain": chain, "entity": entity, "limit": limit}
        rows: Sequence[tuple[int, str]] = connection.execute(samples_query(table, types), asked).fetchall()
    return [(at, value or None) for at, value in reversed(rows)]
