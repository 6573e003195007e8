"""The demo's tables: made, filled with a market's opening, and written to step by step."""

from __future__ import annotations

from dataclasses import fields
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from core.demo.change import Change, FeedStep, PriceChange, ProtocolChange, TvlChange
from core.services.postgres import queries

if TYPE_CHECKING:
    from psycopg import Connection

    from core.demo.market import Market

_QUERY_OF: dict[type[Change], str] = {
    ProtocolChange: "upsert_protocols",
    TvlChange: "upsert_tvl",
    PriceChange: "upsert_prices",
}


def create_tables(connection: Connection[Any]) -> None:
    """Make the tables that configs/default.yaml watches, where they are missing."""
    connection.execute(files("core.demo").joinpath("tables.sql").read_bytes())


def seed_tables(connection: Connection[Any], market: Market) -> int:
    """Write the market's starting state; the number of rows."""
    return write_step(connection, market.opening())


def write_step(connection: Connection[Any], step: FeedStep) -> int:
    """Write one step in one transaction, a statement per table; the number of rows."""
    upserts = queries("core.demo", "writes.sql")
    with connection.transaction():
        for kind, query in _QUERY_OF.items():
            changes = [change for change in step.changes if isinstance(change, kind)]
            if changes:
                connection.execute(upserts[query], {"at": step.at, **_columns(kind, changes)})
    return len(step.changes)


def _columns(kind: type[Change], changes: list[Change]) -> dict[str, list[Any]]:
    return {field.name: [getattr(change, field.name) for change in changes] for field in fields(kind)}
