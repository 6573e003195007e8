"""Finding the baseline of each sample, whatever the planner knows, or does not know, of the table of baselines."""

from __future__ import annotations

from psycopg import sql

from triggers.templates import template


def one_by_one(watch_id: sql.Composable, chain: sql.Composable, entity: sql.Composable) -> sql.Composed:
    """Join the baseline as `b`, by a look-up for each row: for small statements."""
    return template("lookup.sql").format(watch=watch_id, chain=chain, entity=entity)


def all_at_once(watch_id: sql.Composable, chain: sql.Composable, entity: sql.Composable) -> sql.Composed:
    """Join the baseline as `b`, by reading all of the watch once: for large statements."""
    return template("lookup_many.sql").format(watch=watch_id, chain=chain, entity=entity)
