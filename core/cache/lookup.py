"""The SQL that finds an entity's value in the table that a watch looks at. Pure: no connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from core.services.postgres import queries
from core.settings.watches import Constant, ProtocolWatch, Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.watches import Column

QUERIES = queries("core.sql", "cache.sql")
# Compared as they are, so that an index on the column answers; anything else is compared as text.
_TEXTS = frozenset({"text", "character varying", "name"})


def table_literal(watch: Watch) -> str:
    """The watch's table as to_regclass() takes it."""
    return sql.Identifier(*watch.table_parts).as_string(None)


def current_query(watch: Watch, column_types: Mapping[str, str]) -> sql.Composed:
    """The query for the values of some entities, as text; `chains` and `entities` are its parameters."""
    columns = watch.columns
    newest: sql.Composable = sql.SQL("")
    if not isinstance(watch, ProtocolWatch) and columns.changed_at is not None:
        newest = sql.SQL("ORDER BY {} DESC").format(sql.Identifier("r", columns.changed_at))
        if watch.shape != "history":
            newest += sql.SQL(" NULLS LAST")
        else:
            newest = sql.SQL("AND {} IS NOT NULL ").format(sql.Identifier("r", columns.changed_at)) + newest
    return sql.SQL(QUERIES["current"].decode()).format(
        value=_value(watch),
        table=sql.Identifier(*watch.table_parts),
        chain=_is_asked(columns.chain, "chain", column_types),
        entity=_is_asked(columns.entity, "entity", column_types),
        newest=newest,
    )


def _is_asked(column: Column, part: str, column_types: Mapping[str, str]) -> sql.Composed:
    asked = sql.Identifier("asked", part)
    if isinstance(column, Constant):
        return sql.SQL("{} = {}").format(asked, sql.Literal(column.const))
    own = sql.Identifier("r", column)
    cast = sql.SQL("" if column_types.get(column) in _TEXTS else "::text")
    return sql.SQL("{}{} = {}").format(own, cast, asked)


def _value(watch: Watch) -> sql.Composed:
    """The value as events give it: a decimal string, empty for null; or a protocol's watched columns as JSON."""
    if not isinstance(watch, ProtocolWatch):
        return sql.SQL("coalesce(rtp.to_number({}::text)::text, '')").format(sql.Identifier("r", watch.columns.value))
    pairs = sql.SQL(", ").join(
        sql.SQL("({}, to_jsonb({}))").format(sql.Literal(column), sql.Identifier("r", column))
        for column in watch.watched
    )
    return sql.SQL("(SELECT json_object_agg(f.name, f.value)::text FROM (VALUES {}) AS f (name, value))").format(pairs)
