"""Aliases as SQL: a row's name as it is called now, and all the names under which a row may stand in its table."""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING

from psycopg import sql

from rtp_client.aliases import former_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def called_now_sql(name: sql.Composable, aliases: Mapping[str, str] | None) -> sql.Composable:
    """A name, in the order of bytes; where it is an alias, the name that it stands for."""
    if not aliases:
        return sql.SQL('{} COLLATE "C"').format(name)
    return sql.SQL('coalesce({0} ->> {1}, {1}) COLLATE "C"').format(_object(aliases), name)


def written_as_sql(name: sql.Composable, aliases: Mapping[str, str] | None) -> Sequence[sql.Composable]:
    """A name, and the aliases that stand for it: for every name as many as the one with the most has, or null."""
    names = sorted(set((aliases or {}).values()))
    columns = zip_longest(*(former_names(one, aliases) for one in names))
    formers = [{one: former for one, former in zip(names, column, strict=True) if former} for column in columns]
    return [name, *(sql.SQL("({} ->> {})").format(_object(former), name) for former in formers)]


def is_one_of(column: sql.Composable, names: Sequence[sql.Composable]) -> sql.Composed:
    """Whether a column holds one of these names; an index on it answers."""
    if len(names) == 1:
        return sql.SQL("{} = {}").format(column, names[0])
    return sql.SQL("{} = ANY (ARRAY[{}])").format(column, sql.SQL(", ").join(names))


def _object(names: Mapping[str, str]) -> sql.Composed:
    # One constant, however many they are: it is searched, not gone through.
    return sql.SQL("{}::jsonb").format(sql.Literal(json.dumps(names, ensure_ascii=False, sort_keys=True)))
