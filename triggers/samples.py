"""The trigger of a table of history, or of rules with a memory: it appends samples, which rtp run judges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg import sql

from triggers.expressions import is_gone, same_entity
from triggers.templates import as_text, template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.watches import ValueWatch
    from triggers.expressions import Expressions

_NO_TRACE = dict.fromkeys(("traceparent", "tracestate"), sql.SQL("NULL"))


def samples_function(watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable]) -> sql.Composed:
    """Compile the trigger function; `common` is what every value watch's template is filled with."""
    plain = _Statement(watch, expressions, common)
    other = _Statement(watch, replace(expressions, types=expressions.types.unchecked()), common)
    of_shape = _of_history(plain, other) if watch.is_history else _of_latest(plain, other)
    return template("watch_samples.sql").format(
        **common,
        **of_shape,
        can_be_read=expressions.can_be_read(),
        installed=sql.Literal(expressions.checked_columns()),
        table=sql.Literal(sql.Identifier(*watch.table_parts).as_string(None)),
    )


@dataclass(frozen=True)
class _Statement:
    """What a statement on a watched table appends, by its transition tables."""

    watch: ValueWatch
    expressions: Expressions
    common: Mapping[str, sql.Composable]

    @property
    def new(self) -> _Rows:
        expressions = self.expressions
        usable_or_noted = sql.SQL("({} OR rtp.skip({}))").format(expressions.usable("r"), self.common["name_literal"])
        return _Rows("new_rows", sample_columns(self.watch, self.expressions, self.common), where=usable_or_noted)

    @property
    def old(self) -> _Rows:
        gone = {
            "what": sql.SQL("'deleted'"),
            "value": sql.SQL("NULL::numeric"),
            "sampled_at": sql.SQL("clock_timestamp()"),
            "changed_at": sql.SQL("NULL::timestamptz"),
        }
        return _Rows(
            "old_rows",
            sample_columns(self.watch, self.expressions, self.common) | gone,
            where=self.expressions.is_named("r"),
        )

    @property
    def lost(self) -> sql.Composed:
        """The rows whose key no row has any more."""
        return sql.SQL("{} AND NOT EXISTS (SELECT FROM new_rows AS n WHERE {})").format(
            self.old.select(), same_entity(self.watch, self.expressions.types, "n", "r")
        )


def _of_history(plain: _Statement, other: _Statement) -> dict[str, sql.Composable]:
    return {
        "not_safe": sql.SQL(""),
        "append": plain.new.append(_NO_TRACE),
        "append_text": as_text(other.new.append()),
    }


def _of_latest(plain: _Statement, other: _Statement) -> dict[str, sql.Composable]:
    """Each row is an entity: where it is deleted, or gets another key, the entity of its key is gone."""
    new, old = plain.new, plain.old
    gone = is_gone(other.watch, other.expressions.types, "e")
    return {
        "not_safe": template("not_safe_latest.sql").format(old_entities=old.entities(), new_entities=new.entities()),
        "append": template("append_latest.sql").format(deleted=old.append(_NO_TRACE), written=new.append(_NO_TRACE)),
        "append_text": template("append_latest_text.sql").format(
            inserted=as_text(other.new.append()),
            updated=as_text(sql.SQL("{} UNION ALL {}").format(other.new.append(), other.lost)),
            deleted=as_text(other.old.append()),
            truncated=as_text(template("append_gone.sql").format(**other.common, is_gone=gone)),
        ),
    }


@dataclass(frozen=True)
class _Rows:
    """One of a statement's transition tables, as rows of rtp.sample."""

    name: str
    parts: Mapping[str, sql.Composable]
    where: sql.Composable

    def append(self, more: Mapping[str, sql.Composable] | None = None) -> sql.Composed:
        """Append them to the log."""
        parts = {**self.parts, **(more or {})}
        columns = sql.SQL(", ").join(map(sql.Identifier, parts))
        return template("append_samples.sql").format(columns=columns, samples=self.select(parts))

    def select(self, parts: Mapping[str, sql.Composable] | None = None) -> sql.Composed:
        """The usable ones."""
        values = sql.SQL(", ").join((parts or self.parts).values())
        return sql.SQL("SELECT {} FROM {} AS r WHERE {}").format(values, sql.SQL(self.name), self.where)

    def entities(self) -> sql.Composed:
        """Whom they are of."""
        who = (self.parts["chain"], self.parts["entity"])
        return sql.SQL("SELECT {}, {} FROM {} AS r").format(*who, sql.SQL(self.name))


def sample_columns(
    watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable]
) -> dict[str, sql.Composable]:
    """A row `r` as the columns of a sample."""
    columns = {
        "watch": common["watch"],
        "what": sql.SQL("'sample'"),
        **expressions.parts("r"),
        "sampled_at": expressions.sampled_at("r"),
    }
    if watch.is_history:
        del columns["changed_at"]  # the same as sampled_at
    return columns
