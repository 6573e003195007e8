"""Which entity a row of the watched table is about, as SQL: its names, and whether two rows have the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from core.settings.aliases import written_out
from core.settings.watches import Constant, ValueWatch
from rtp_client.alias_sql import called_now_sql, is_one_of, written_as_sql
from triggers.templates import template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.watches import Column, Watch
    from triggers.columns import ColumnTypes

_WHOLE_NUMBER = sql.SQL(
    "CASE WHEN {0} ~ '^-?[0-9]{{1,19}}$' THEN"
    " CASE WHEN {0}::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN {0}::bigint END END"
)
# What a name is as a value of its own column's type.
_AS_COLUMN = {
    **dict.fromkeys(("text", "character varying"), sql.SQL("{0}")),
    **dict.fromkeys(("smallint", "integer", "bigint"), _WHOLE_NUMBER),
}


def who(row: str, watch: Watch, types: ColumnTypes) -> dict[str, sql.Composable]:
    """The row's chain and entity, as they are called now."""
    return {
        part: called_now_sql(_name(row, getattr(watch.columns, part), types), aliases)
        for part, aliases in _aliases(watch).items()
    }


def _aliases(watch: Watch) -> Mapping[str, Mapping[str, str] | None]:
    return {"chain": written_out(watch.chain_aliases), "entity": written_out(watch.aliases)}


def _name(row: str, column: Column, types: ColumnTypes) -> sql.Composable:
    if isinstance(column, Constant):
        return sql.SQL("{}::text").format(sql.Literal(column.const))
    return types.text(row, column)


def key_columns(watch: Watch) -> frozenset[str]:
    """The columns that say which entity a row is about."""
    return frozenset(
        column for column in (watch.columns.chain, watch.columns.entity) if not isinstance(column, Constant)
    )


def is_gone(watch: Watch, types: ColumnTypes, row: str) -> sql.Composed:
    """Whether the watched table holds nothing of `row`'s entity: truncating a partition leaves the others' entities."""
    names = who("r", watch, types)
    return sql.SQL("NOT EXISTS (SELECT FROM {} AS r WHERE {} = {} AND {} = {})").format(
        sql.Identifier(*watch.table_parts),
        *(names["chain"], sql.Identifier(row, "chain"), names["entity"], sql.Identifier(row, "entity")),
    )


def named_row(row: str, watch: Watch, types: ColumnTypes) -> sql.Composed:
    """Whether a row of the watched table has a usable chain and entity."""
    names = who(row, watch, types).values()
    return sql.SQL(" AND ").join(sql.SQL("rtp.is_name({})").format(name) for name in names)


def looked_at(watch: Watch, types: ColumnTypes, row: str) -> tuple[sql.Composed, sql.Composed]:
    """Where a row's chain, entity and value are, and what it holds there: the names of the columns, and their texts.

    The beginnings of their texts: an array of three enormous ones would be too large for PostgreSQL.
    """
    columns = [watch.columns.chain, watch.columns.entity]
    if isinstance(watch, ValueWatch):
        columns.append(watch.columns.value)
    own = [column if isinstance(column, str) else None for column in columns]
    texts = [
        sql.NULL if column is None else sql.SQL("left({}, 2001)").format(types.text(row, column)) for column in own
    ]
    array = sql.SQL("ARRAY[{}]::text[]")
    names = sql.SQL(", ").join(map(sql.Literal, own))
    return array.format(names), array.format(sql.SQL(", ").join(texts))


def note_unusable(name: str, watch: Watch, types: ColumnTypes, usable: sql.Composable) -> sql.Composed:
    """The statement that leaves a line about a statement's rows that are not usable."""
    columns, held = looked_at(watch, types, "r")
    return template("note_unusable.sql").format(
        name_literal=sql.Literal(name), columns=columns, held=held, usable=usable
    )


def is_of(watch: Watch, types: ColumnTypes) -> sql.Composed:
    """Whether a row `r` of the watched table is the entity `e`.

    Their names are compared, and before that the columns' own values, where those are so simple that an index is used.
    """
    conditions: list[sql.Composable] = []
    for part, name in who("r", watch, types).items():
        key, column = sql.Identifier("e", part), getattr(watch.columns, part)
        if isinstance(column, str) and column not in types.own and types[column] in _AS_COLUMN:
            written = [_AS_COLUMN[types[column]].format(one) for one in written_as_sql(key, _aliases(watch)[part])]
            conditions.append(is_one_of(types.read("r", column), written))
        conditions.append(sql.SQL("{} = {}").format(name, key))
    return sql.SQL(" AND ").join(conditions)


def same_entity(watch: Watch, types: ColumnTypes, row: str, other: str) -> sql.Composed:
    """Whether two rows of the watched table have the same key."""
    one, two = who(row, watch, types), who(other, watch, types)
    return sql.SQL("{} = {} AND {} = {}").format(one["chain"], two["chain"], one["entity"], two["entity"])
