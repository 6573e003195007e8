"""Rows as one array per column, in the text that PostgreSQL reads: statements over many rows take them so.

psycopg's own way of writing a list, which first looks for what its elements are, takes four times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KEY = ("watch", "chain", "entity")
_WITH_ONE_SPELLING = frozenset({type(None), str, float, int})


def by_column(names: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, str]:
    """The rows' columns by their names. Numbers, times and truths are written as Python writes them."""
    columns: Iterable[Sequence[object]] = zip(*rows, strict=True) if rows else ((),) * len(names)
    return {name: "{" + _elements(column) + "}" for name, column in zip(names, columns, strict=True)}


def _elements(column: Sequence[object]) -> str:
    """A value that is the same all the way down is written once: most columns of what rows say of themselves are so."""
    if len(column) > 1:
        first = column[0]
        if type(first) in _WITH_ONE_SPELLING and first == column[-1] and column.count(first) == len(column):
            return ",".join([_element(first)] * len(column))
    return ",".join([_element(value) for value in column])


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
