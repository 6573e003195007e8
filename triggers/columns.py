"""A table's columns, read in such a way that no function of somebody else's runs.

A trigger of rtp's runs with the rights of rtp's role, and whoever owns a type can give it a cast. So a column is read
as the type that it had at installation, one of the catalog's own, or not at all; a column of any other type only
through its type's output function.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# What the text of a type depends on: settings of the session that it is made in.
_TEXT_DEPENDS_ON = {
    "real": ["extra_float_digits"],
    "double precision": ["extra_float_digits"],
    "date": ["DateStyle"],
    "timestamp without time zone": ["DateStyle"],
    "timestamp with time zone": ["DateStyle", "TimeZone"],
    "interval": ["IntervalStyle"],
    "bytea": ["bytea_output"],
    "money": ["lc_monetary"],
}
_FOR_EVERYBODY = {
    "extra_float_digits": "1",
    "DateStyle": "'ISO, MDY'",
    "TimeZone": "'UTC'",
    "IntervalStyle": "'postgres'",
    "bytea_output": "'hex'",
    "lc_monetary": "'C'",
}


@dataclass(frozen=True)
class ColumnTypes:
    """The types of a table's columns.

    `names` has each column's type, below all domains, as SQL writes it where only the catalog is in the search path.
    `own` are the columns whose type is a domain, or belongs to a role that is no superuser: the type's own name. A
    column in neither is read as it is.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    is_checked: bool = True

    def __getitem__(self, column: str) -> str:
        return self.names.get(column, "")

    def declared(self, column: str) -> str:
        """The column's type itself."""
        return self.own.get(column) or self.names.get(column, "text")

    def read(self, row: str, column: str) -> sql.Composable:
        """The column as the type below all domains, or not at all."""
        if column in self.own:
            return sql.SQL("{}::{}").format(_output(row, column), sql.SQL(self.names[column]))
        return self._as_installed(row, column)

    def text(self, row: str, column: str) -> sql.Composable:
        """The column as text."""
        if column in self.own:
            return _output(row, column)
        return sql.SQL("{}::text").format(self._as_installed(row, column))

    def json(self, row: str, column: str) -> sql.Composable:
        """The column as jsonb. A type may have a cast to JSON, too."""
        value = _output(row, column) if column in self.own else self._as_installed(row, column)
        return sql.SQL("to_jsonb({})").format(value)

    def unchecked(self) -> ColumnTypes:
        """The same for columns of any type that is the catalog's own, whoever finds out whether they are."""
        return replace(self, is_checked=False)

    def settings(self, texts: Iterable[str], columns: Iterable[str], *, always: Sequence[str] = ()) -> sql.Composable:
        """What a function sets that reads these columns and makes texts of some: whose session it is must not show."""
        read = {*texts, *(column for column in columns if column in self.own)}
        found = {name for column in read for name in _TEXT_DEPENDS_ON.get(self[column].removesuffix("[]"), ())}
        return sql.SQL("".join(f"\nSET {name} = {_FOR_EVERYBODY[name]}" for name in sorted({*found, *always})))

    def texts(self) -> list[str]:
        """All that the database has given these types for names."""
        return [*self.names.values(), *self.own.values()]

    def _as_installed(self, row: str, column: str) -> sql.Composable:
        if not self.is_checked or column not in self.names:
            return sql.Identifier(row, column)
        # Inlined, it costs nothing; with another type there is no such function.
        return sql.SQL("rtp.of_type({}, NULL::{})").format(sql.Identifier(row, column), sql.SQL(self.names[column]))


def _output(row: str, column: str) -> sql.Composable:
    return sql.SQL("nullif(concat({}), '')").format(sql.Identifier(row, column))
