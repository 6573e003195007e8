"""A user's row in rtp's words: the SQL expressions that a watch's mapping comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

from core.settings.watches import Constant, ValueWatch, Watch
from triggers.rules import rule_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.watches import Column

_FLOAT_TYPES = frozenset({"real", "double precision"})
_TEXT_TYPES = frozenset({"text", "character varying", "character"})
_TYPED = frozenset({"value", "confidence", "changed_at"})  # the others are read as text
_MOMENTS = {
    "timestamp without time zone": sql.SQL("{0}::timestamp AT TIME ZONE 'UTC'"),
    # There are dates beyond every timestamp.
    "date": sql.SQL("CASE WHEN {0} BETWEEN '0001-01-01' AND '9999-12-31' THEN {0}::timestamp AT TIME ZONE 'UTC' END"),
}
# A writer's session may round floats when they become text; what is compared must not depend on who writes.
EXACT_FLOATS = sql.SQL("\nSET extra_float_digits = 1")


def function(what: str, watch_name: str) -> sql.Identifier:
    """The name of one of a watch's functions: watch_, rare_ or now_."""
    return sql.Identifier("rtp", f"{what}_{watch_name}")


def quote(watch: Watch) -> sql.SQL:
    """A dollar quote that no name in the function's body can end."""
    tag = "rtp"
    while any(f"${tag}" in text for text in _texts(watch.model_dump(mode="json"))):
        tag += "_"
    return sql.SQL(f"${tag}$")


def _texts(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [text for value in document.values() for text in _texts(value)]
    if isinstance(document, list):
        return [text for value in document for text in _texts(value)]
    return [document] if isinstance(document, str) else []


def about(row: str, watch: Watch, column_types: Mapping[str, str] | None = None) -> dict[str, sql.Composable]:
    """The expressions that every kind has: the row's chain and entity, confidence, provenance, and time."""
    raw = _raw(row, watch, column_types or {})
    return {
        "chain": _column(row, watch.columns.chain),
        "entity": _column(row, watch.columns.entity),
        **_sane(watch, raw),
    }


def _column(row: str, column: Column) -> sql.Composable:
    if isinstance(column, Constant):
        return sql.SQL('{}::text COLLATE "C"').format(sql.Literal(column.const))
    return sql.SQL('{}::text COLLATE "C"').format(sql.Identifier(row, column))


def _raw(row: str, watch: Watch, column_types: Mapping[str, str]) -> dict[str, sql.Composable]:
    """What the row's own columns say of confidence, provenance and time, as it stands there."""
    columns = watch.columns
    raw: dict[str, sql.Composable] = {}
    if columns.confidence:
        confidence = sql.SQL("{0}::double precision")
        if column_types.get(columns.confidence) == "numeric":
            # A float holds no number as large, nor as small, as a numeric may be.
            confidence = sql.SQL("CASE WHEN {0} BETWEEN 0 AND 1 THEN round({0}, 20)::double precision END")
        raw["confidence"] = confidence.format(sql.Identifier(row, columns.confidence))
    if columns.provenance:
        raw["provenance"] = sql.SQL("{}::text").format(sql.Identifier(row, columns.provenance))
    if columns.changed_at:
        # Without a zone it is taken for UTC, whatever the writer's session thinks.
        moment = _MOMENTS.get(column_types.get(columns.changed_at, ""), sql.SQL("{0}::timestamptz"))
        raw["changed_at"] = moment.format(sql.Identifier(row, columns.changed_at))
    return raw


def _sane(watch: Watch, raw: Mapping[str, sql.Composable]) -> dict[str, sql.Composable]:
    """The same as events take it: within bounds, and what the settings say where the row says nothing."""
    confidence = sql.SQL("{}::double precision").format(sql.Literal(watch.confidence))
    if "confidence" in raw:
        confidence = sql.SQL("rtp.sane_confidence({}, {})").format(raw["confidence"], sql.Literal(watch.confidence))
    provenance = sql.SQL("{}::text").format(sql.Literal(watch.provenance))
    if "provenance" in raw:
        provenance = sql.SQL("coalesce({}, {})").format(raw["provenance"], sql.Literal(watch.provenance))
    changed_at: sql.Composable = sql.SQL("statement_timestamp()")
    if "changed_at" in raw:
        changed_at = sql.SQL("rtp.sane_time({})").format(raw["changed_at"])
    return {"confidence": confidence, "provenance": provenance, "changed_at": changed_at}


@dataclass(frozen=True)
class Expressions:
    """A watch of values, as SQL over a row of its table or over a sample made of one."""

    watch: ValueWatch
    column_types: Mapping[str, str]

    @property
    def is_float(self) -> bool:
        """Whether the value is kept as a float, which reaches NUMERIC through text."""
        return self.column_types.get(self.watch.columns.value) in _FLOAT_TYPES

    def value(self, row: str) -> sql.Composable:
        """The row's value as NUMERIC, digit for digit."""
        column = self.watch.columns.value
        found = self.column_types.get(column, "numeric")
        if found in _TEXT_TYPES:
            return sql.SQL("rtp.to_number({}::text)").format(sql.Identifier(row, column))
        if self.is_float:
            return sql.SQL("{}::text::numeric").format(sql.Identifier(row, column))
        return sql.SQL("{}::numeric").format(sql.Identifier(row, column))

    def usable(self, row: str) -> sql.Composable:
        """Whether the row can be judged at all."""
        column = self.watch.columns.value
        if self.column_types.get(column) not in _TEXT_TYPES:
            return self.is_named(row)
        return sql.SQL("{} AND rtp.is_number({}::text)").format(self.is_named(row), sql.Identifier(row, column))

    def is_named(self, row: str) -> sql.Composable:
        """Whether the row says of which entity it is, whatever its value."""
        who = about(row, self.watch)
        return sql.SQL(" AND ").join(sql.SQL("rtp.is_name({})").format(who[part]) for part in ("chain", "entity"))

    def parts(self, row: str) -> dict[str, sql.Composable]:
        """What a sample is made of, but for its time."""
        return about(row, self.watch, self.column_types) | {"value": self.value(row)}

    def read(self, row: str) -> sql.Composed:
        """What an event tells of the row, as columns; as it stands there, so that rows which make none cost less."""
        who = {part: _column(row, getattr(self.watch.columns, part)) for part in ("chain", "entity")}
        return named({**who, "value": self.value(row), **_raw(row, self.watch, self.column_types)})

    def as_read(self, record: str) -> dict[str, sql.Composable]:
        """Confidence, provenance and time of a record of such columns."""
        names = _raw(record, self.watch, self.column_types)
        return _sane(self.watch, {name: sql.Identifier(record, name) for name in names})

    def sample(self, relation: sql.Composable, *, is_timed: bool = True) -> sql.Composed:
        """The usable rows of a relation, with the parts of their rule that sets of rows are judged by.

        The database's clock keeps PostgreSQL from flattening the query: leave the time out where nobody asks for it.
        """
        parts = self.parts("r")
        if is_timed:
            parts["sampled_at"] = self.sampled_at("r")
        plain = {
            key: rule_part(self.watch, "s", key)
            for key in ("percent", "min_change", "warning", "critical", "emit_first")
        }
        return sql.SQL("SELECT s.*, {} FROM (SELECT {} FROM {} AS r WHERE {}) AS s").format(
            named(plain), named(parts), relation, self.usable("r")
        )

    def sampled_at(self, row: str) -> sql.Composable:
        """The moment that rules reckon with."""
        if not self.watch.is_history:
            return sql.SQL("clock_timestamp()")
        return about(row, self.watch, self.column_types)["changed_at"]

    def can_be_read(self) -> sql.Composable:
        """Whether the table's columns are such that none of these expressions can fail, whatever a row holds."""
        checks = [
            sql.SQL("rtp.can_be_read((NULL::{}).{}, {})").format(
                sql.Identifier(*self.watch.table_parts),
                sql.Identifier(column),
                sql.Literal(self.column_types.get(column, "text") if role in _TYPED else "text"),
            )
            for role, column in self.watch.columns
            if isinstance(column, str)
        ]
        return sql.SQL(" AND ").join(checks)


def is_gone(watch: Watch, row: str) -> sql.Composed:
    """Whether the watched table holds nothing of `row`'s entity: truncating a partition leaves the others' entities."""
    who = about("r", watch)
    return sql.SQL("NOT EXISTS (SELECT FROM {} AS r WHERE {} = {} AND {} = {})").format(
        sql.Identifier(*watch.table_parts),
        *(who["chain"], sql.Identifier(row, "chain"), who["entity"], sql.Identifier(row, "entity")),
    )


def same_entity(watch: Watch, row: str, other: str) -> sql.Composed:
    """Whether two rows of the watched table have the same key."""
    one, two = about(row, watch), about(other, watch)
    return sql.SQL("{} = {} AND {} = {}").format(one["chain"], two["chain"], one["entity"], two["entity"])


def named(expressions: Mapping[str, sql.Composable]) -> sql.Composed:
    """Expressions as columns of a SELECT."""
    return sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(expression, sql.Identifier(name)) for name, expression in expressions.items()
    )
