"""A user's row in rtp's words: the SQL expressions that a watch's mapping comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from psycopg import sql

from core.settings.watches import ValueWatch, Watch
from rtp_client.moment import moment
from triggers.identity import named_row, who
from triggers.rules import rule_part
from triggers.templates import template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from triggers.columns import ColumnTypes

_FLOAT_TYPES = frozenset({"real", "double precision"})
_TEXT_TYPES = frozenset({"text", "character varying", "character"})


def function(what: str, watch_name: str) -> sql.Identifier:
    """The name of one of a watch's functions: watch_, rare_, now_ or fields_."""
    return sql.Identifier("rtp", f"{what}_{watch_name}")


def quote(watch: Watch, types: ColumnTypes) -> sql.SQL:
    """A dollar quote that no name in the function's body can end."""
    tag = "rtp"
    while any(f"${tag}" in text for text in [*_texts(watch.model_dump(mode="json")), *types.texts()]):
        tag += "_"
    return sql.SQL(f"${tag}$")


def _texts(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [text for pair in document.items() for part in pair for text in _texts(part)]
    if isinstance(document, list):
        return [text for value in document for text in _texts(value)]
    return [document] if isinstance(document, str) else []


def about(row: str, watch: Watch, types: ColumnTypes) -> dict[str, sql.Composable]:
    """The expressions that every kind has: the row's chain and entity, confidence, provenance, and time."""
    return {**who(row, watch, types), **_sane(watch, _raw(row, watch, types))}


def _raw(row: str, watch: Watch, types: ColumnTypes) -> dict[str, sql.Composable]:
    """What the row's own columns say of confidence, provenance and time, as it stands there."""
    columns = watch.columns
    raw: dict[str, sql.Composable] = {}
    if columns.confidence:
        confidence = sql.SQL("{0}::double precision")
        if types[columns.confidence] == "numeric":
            # A float holds no number as large, nor as small, as a numeric may be.
            confidence = sql.SQL("CASE WHEN {0} BETWEEN 0 AND 1 THEN round({0}, 20)::double precision END")
        raw["confidence"] = confidence.format(types.read(row, columns.confidence))
    if columns.provenance:
        raw["provenance"] = types.text(row, columns.provenance)
    if columns.changed_at:
        own_time = types.read(row, columns.changed_at)
        raw["changed_at"] = moment(own_time, types[columns.changed_at], watch.timezone)
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
    types: ColumnTypes

    @property
    def is_float(self) -> bool:
        """Whether the value is kept as a float, which reaches NUMERIC through text."""
        return self.types[self.watch.columns.value] in _FLOAT_TYPES

    @property
    def settings(self) -> sql.Composable:
        """What a function that reads such rows sets, as what it reads must not depend on whose session it is in."""
        columns = self.watch.columns
        texts = [
            column
            for column in (columns.chain, columns.entity, columns.provenance, columns.source)
            if isinstance(column, str)
        ]
        numbers = [columns.value] if self.is_float else []
        return self.types.settings([*texts, *numbers], [column for _, column in columns if isinstance(column, str)])

    def value(self, row: str) -> sql.Composable:
        """The row's value as NUMERIC, digit for digit."""
        column = self.watch.columns.value
        if self.types[column] in _TEXT_TYPES:
            return sql.SQL("rtp.to_number({})").format(self.types.text(row, column))
        cast = sql.SQL("{}::text::numeric" if self.is_float else "{}::numeric")
        return cast.format(self.types.read(row, column))

    def usable(self, row: str) -> sql.Composable:
        """Whether the row can be judged at all."""
        column = self.watch.columns.value
        if self.types[column] not in _TEXT_TYPES:
            return self.is_named(row)
        return sql.SQL("{} AND rtp.is_number({})").format(self.is_named(row), self.types.text(row, column))

    def is_named(self, row: str) -> sql.Composable:
        """Whether the row says of which entity it is, whatever its value."""
        return named_row(row, self.watch, self.types)

    def parts(self, row: str) -> dict[str, sql.Composable]:
        """What a sample is made of, but for its time."""
        return about(row, self.watch, self.types) | {"value": self.value(row)}

    def read(self, row: str) -> sql.Composed:
        """What an event tells of the row, as columns; as it stands there, so that rows which make none cost less."""
        names = who(row, self.watch, self.types)
        return named({**names, "value": self.value(row), **_raw(row, self.watch, self.types)})

    def as_read(self, record: str) -> dict[str, sql.Composable]:
        """Confidence, provenance and time of a record of such columns."""
        names = _raw(record, self.watch, self.types)
        return _sane(self.watch, {name: sql.Identifier(record, name) for name in names})

    def sample(
        self, relation: sql.Composable, *, which: Literal["usable", "timely", "ahead"] = "usable", is_timed: bool = True
    ) -> sql.Composed:
        """The usable rows of a relation, with the parts of their rule that sets of rows are judged by.

        Some are `ahead`: further than `max_future`; the others are `timely`.
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
            named(plain), named(parts), relation, self._is("r", which)
        )

    def _is(self, row: str, which: Literal["usable", "timely", "ahead"]) -> sql.Composable:
        if which == "usable" or (which == "timely" and not self.may_be_ahead):
            return self.usable(row)
        ahead = self.is_ahead(about(row, self.watch, self.types)["changed_at"])
        condition = sql.SQL("{} AND {}" if which == "ahead" else "{} AND NOT {}")
        return condition.format(self.usable(row), ahead)

    @property
    def may_be_ahead(self) -> bool:
        """Whether a row can say a time that is too far ahead."""
        return self.watch.columns.changed_at is not None and self.watch.future_limit is not None

    def is_ahead(self, changed_at: sql.Composable) -> sql.Composable:
        """Whether that time is. By the clock of now: to a procedure, its whole run is one statement."""
        limit = self.watch.future_limit
        if not self.may_be_ahead or limit is None:
            return sql.SQL("false")
        return sql.SQL("({} > clock_timestamp() + make_interval(secs => {}))").format(
            changed_at, sql.Literal(limit.total_seconds())
        )

    def sampled_at(self, row: str) -> sql.Composable:
        """The moment that rules reckon with."""
        if not self.watch.is_history:
            return sql.SQL("clock_timestamp()")
        return about(row, self.watch, self.types)["changed_at"]

    def can_be_read(self) -> sql.Composable:
        """Whether a trigger's table is such that none of these expressions can fail, whatever a row holds."""
        checks = [
            sql.SQL("rtp.is_of_type((NULL::{}).{}, {})").format(
                sql.Identifier(*self.watch.table_parts),
                sql.Identifier(column),
                sql.Literal(self.types.declared(column)),
            )
            for _, column in self.watch.columns
            if isinstance(column, str)
        ]
        table = sql.Literal(sql.Identifier(*self.watch.table_parts).as_string(None))
        return template("can_be_read.sql").format(columns=sql.SQL(" AND ").join(checks), table=table)

    def checked_columns(self) -> list[str]:
        """The table's columns that are read as the type that they had at installation."""
        return [column for _, column in self.watch.columns if isinstance(column, str) and column not in self.types.own]


def named(expressions: Mapping[str, sql.Composable]) -> sql.Composed:
    """Expressions as columns of a SELECT."""
    return sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(expression, sql.Identifier(name)) for name, expression in expressions.items()
    )
