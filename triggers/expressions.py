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
# A writer's session may round floats when they become text; what is compared must not depend on who writes.
EXACT_FLOATS = sql.SQL("\nSET extra_float_digits = 1")


def function(what: str, watch_name: str) -> sql.Identifier:
    """The name of one of a watch's functions: watch_, rule_ or now_."""
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
    columns = watch.columns
    confidence: sql.Composable = sql.SQL("{}::double precision").format(sql.Literal(watch.confidence))
    if columns.confidence:
        confidence = sql.SQL("rtp.sane_confidence({}::double precision, {})").format(
            sql.Identifier(row, columns.confidence), sql.Literal(watch.confidence)
        )
    provenance: sql.Composable = sql.SQL("{}::text").format(sql.Literal(watch.provenance))
    if columns.provenance:
        provenance = sql.SQL("coalesce({}::text, {})").format(
            sql.Identifier(row, columns.provenance), sql.Literal(watch.provenance)
        )
    return {
        "chain": _column(row, columns.chain),
        "entity": _column(row, columns.entity),
        "confidence": confidence,
        "provenance": provenance,
        "changed_at": _time(row, columns.changed_at, column_types or {}),
    }


def _column(row: str, column: Column) -> sql.Composable:
    if isinstance(column, Constant):
        return sql.SQL('{}::text COLLATE "C"').format(sql.Literal(column.const))
    return sql.SQL('{}::text COLLATE "C"').format(sql.Identifier(row, column))


def _time(row: str, column: str | None, column_types: Mapping[str, str]) -> sql.Composable:
    if column is None:
        return sql.SQL("statement_timestamp()")
    if column_types.get(column) in {"timestamp without time zone", "date"}:
        # Without a zone it is taken for UTC, whatever the writer's session thinks.
        moment = sql.SQL("{}::timestamp AT TIME ZONE 'UTC'").format(sql.Identifier(row, column))
    else:
        moment = sql.SQL("{}::timestamptz").format(sql.Identifier(row, column))
    return sql.SQL("rtp.sane_time({})").format(moment)


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
        who = about(row, self.watch)
        conditions = [sql.SQL("rtp.is_name({})").format(who[part]) for part in ("chain", "entity")]
        column = self.watch.columns.value
        if self.column_types.get(column) in _TEXT_TYPES:
            conditions.append(sql.SQL("rtp.is_number({}::text)").format(sql.Identifier(row, column)))
        return sql.SQL(" AND ").join(conditions)

    def parts(self, row: str) -> dict[str, sql.Composable]:
        """What a sample is made of, but for its time."""
        return about(row, self.watch, self.column_types) | {"value": self.value(row)}

    def sample(self, relation: sql.Composable, *, is_timed: bool = True) -> sql.Composed:
        """The usable rows of a relation, with the parts of their rule that sets of rows are judged by.

        The database's clock keeps PostgreSQL from flattening the query: leave the time out where nobody asks for it.
        """
        parts = self.parts("r")
        if is_timed:
            is_history = self.watch.is_history
            parts["sampled_at"] = parts["changed_at"] if is_history else sql.SQL("clock_timestamp()")
        plain = {
            key: rule_part(self.watch, "s", key)
            for key in ("percent", "min_change", "warning", "critical", "emit_first")
        }
        return sql.SQL("SELECT s.*, {} FROM (SELECT {} FROM {} AS r WHERE {}) AS s").format(
            _named(plain), _named(parts), relation, self.usable("r")
        )

    def as_row(self, watch_id: sql.Composable, samples: sql.Composable, what: str) -> sql.Composed:
        """Samples as rows of rtp.sample, those of one entity in the order of their times, then as they were written."""
        deleted = what == "deleted"
        now = sql.SQL("clock_timestamp()")
        return sql.SQL(
            "SELECT ROW(NULL, {watch}, n.chain, n.entity, {what}, {value}, {sampled_at}, {changed_at}, "
            "n.confidence, n.provenance, NULL, NULL, NULL)::rtp.sample "
            "FROM (SELECT i.*, row_number() OVER () AS written FROM ({samples}) AS i) AS n "
            "ORDER BY n.chain, n.entity, n.sampled_at, n.written"
        ).format(
            watch=watch_id,
            what=sql.Literal(what),
            value=sql.SQL("NULL::numeric" if deleted else "n.value"),
            sampled_at=now if deleted else sql.SQL("n.sampled_at"),
            changed_at=now if deleted else sql.SQL("n.changed_at"),
            samples=samples,
        )


def is_gone(watch: Watch, row: str) -> sql.Composed:
    """Whether the watched table holds nothing of `row`'s entity: truncating a partition leaves the others' entities."""
    who = about("r", watch)
    return sql.SQL("NOT EXISTS (SELECT FROM {} AS r WHERE {} = {} AND {} = {})").format(
        sql.Identifier(*watch.table_parts),
        *(who["chain"], sql.Identifier(row, "chain"), who["entity"], sql.Identifier(row, "entity")),
    )


def _named(expressions: Mapping[str, sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(expression, sql.Identifier(name)) for name, expression in expressions.items()
    )
