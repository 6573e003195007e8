"""The templates in `triggers/sql/templates`: ours, not input; this is where they are vouched for."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from psycopg import sql


@cache
def template(filename: str) -> sql.SQL:
    """A template of the package, its `{names}` to be filled in with `format`."""
    return sql.SQL(files("triggers").joinpath("sql", "templates", filename).read_text(encoding="utf-8").rstrip("\n"))


def as_text(statement: sql.Composed) -> sql.Composed:
    """A statement as a literal, for EXECUTE: one that PostgreSQL plans anew each time."""
    return sql.SQL("{}").format(sql.Literal(statement.as_string(None)))
