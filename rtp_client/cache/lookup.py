"""The SQL that finds an entity's value in a table. Pure: no connection."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from psycopg import sql

from rtp_client.alias_sql import is_one_of, written_as_sql
from rtp_client.aliases import called_now
from rtp_client.cache.table import Fixed, TableOfAliases
from rtp_client.moment import moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rtp_client.cache.table import Table

COLUMN_TYPES, _CURRENT, _SAMPLES = (
    files("rtp_client.cache").joinpath(f"{name}.sql").read_bytes() for name in ("column_types", "current", "samples")
)
# Compared as they are, so that an index on the column answers; anything else is compared as text.
_TEXTS = frozenset({"text", "character varying", "name"})


def table_literal(table: Table) -> str:
    """The table as to_regclass() takes it."""
    return sql.Identifier(*table.parts).as_string(None)


def current_query(table: Table, column_types: Mapping[str, str]) -> sql.Composed:
    """The query for the values of some entities, as text; `chains` and `entities` are its parameters."""
    return _filled(
        _CURRENT,
        value=_value(table),
        table=sql.Identifier(*table.parts),
        chain=_is_asked(table.chain, "chain", table.chain_aliases, column_types),
        entity=_is_asked(table.entity, "entity", table.aliases, column_types),
        newest=_newest(table, column_types),
    )


def samples_query(table: Table, column_types: Mapping[str, str]) -> sql.Composed:
    """The query for the last samples of an entity of a history; `chain`, `entity` and `limit` are its parameters."""
    at = table.changed_at or ""
    return _filled(
        _SAMPLES,
        at=moment(sql.Identifier("r", at), column_types.get(at, ""), table.timezone),
        value=_value(table),
        table=sql.Identifier(*table.parts),
        chain=_is_asked(table.chain, "chain", table.chain_aliases, column_types),
        entity=_is_asked(table.entity, "entity", table.aliases, column_types),
        newest=_newest(table, column_types),
    )


def _filled(query: bytes, **parts: sql.Composable) -> sql.Composed:
    """A query that has parameters: a percent sign in a name or a constant begins none."""
    return sql.SQL(query.decode()).format(
        **{name: sql.SQL(part.as_string(None).replace("%", "%%")) for name, part in parts.items()}
    )


def _is_asked(
    column: str | Fixed,
    part: str,
    aliases: Mapping[str, str] | TableOfAliases | None,
    column_types: Mapping[str, str],
) -> sql.Composed:
    asked = sql.Identifier("asked", part)
    if isinstance(column, Fixed):
        if isinstance(aliases, TableOfAliases):
            name = sql.Literal(column.name)
            now = _looked_up(aliases.now, aliases, aliases.former, name)
            return sql.SQL("{} = coalesce(({} LIMIT 1), {})").format(asked, now, name)
        return sql.SQL("{} = {}").format(asked, sql.Literal(called_now(column.name, aliases)))
    own = sql.Identifier("r", column)
    cast = sql.SQL("" if column_types.get(column) in _TEXTS else "::text")
    read = sql.SQL("{}{}").format(own, cast)
    if isinstance(aliases, TableOfAliases):
        formers = _looked_up(aliases.former, aliases, aliases.now, asked)
        return sql.SQL("{} = ANY (ARRAY({}) || {}::text)").format(read, formers, asked)
    return is_one_of(read, written_as_sql(asked, aliases))


def _looked_up(wanted: str, table: TableOfAliases, known: str, name: sql.Composable) -> sql.Composed:
    return sql.SQL("SELECT a.{}::text FROM {} AS a WHERE a.{}::text = {}").format(
        sql.Identifier(wanted), sql.Identifier(*table.parts), sql.Identifier(known), name
    )


def _newest(table: Table, column_types: Mapping[str, str]) -> sql.Composable:
    if table.value is None or table.changed_at is None:
        return sql.SQL("")
    own = sql.Identifier("r", table.changed_at)
    if not table.is_history:
        return sql.SQL("ORDER BY {} DESC NULLS LAST").format(own)
    if table.max_future_seconds is None:
        return sql.SQL("AND {0} IS NOT NULL ORDER BY {0} DESC").format(own)
    return sql.SQL("AND {} <= statement_timestamp() + make_interval(secs => {}) ORDER BY {} DESC").format(
        moment(own, column_types.get(table.changed_at, ""), table.timezone), sql.Literal(table.max_future_seconds), own
    )


def _value(table: Table) -> sql.Composed:
    """The value as events give it: a decimal string, empty for null; or the watched columns of metadata as JSON."""
    if table.value is not None:
        return sql.SQL("coalesce(rtp.to_number({}::text)::text, '')").format(sql.Identifier("r", table.value))
    pairs = sql.SQL(", ").join(
        sql.SQL("({}, to_jsonb({}))").format(sql.Literal(column), sql.Identifier("r", column))
        for column in table.watched
    )
    return sql.SQL("(SELECT json_object_agg(f.name, f.value)::text FROM (VALUES {}) AS f (name, value))").format(pairs)
