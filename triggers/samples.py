"""The trigger of a table of history, or of rules with a memory: it appends samples, which rtp run judges."""

from __future__ import annotations

from dataclasses import dataclass
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
    parts = {
        "watch": common["watch"],
        "what": sql.SQL("'sample'"),
        **expressions.parts("r"),
        "sampled_at": expressions.sampled_at("r"),
    }
    if watch.is_history:
        del parts["changed_at"]  # the same as sampled_at
    gone = {
        "what": sql.SQL("'deleted'"),
        "value": sql.SQL("NULL::numeric"),
        "sampled_at": sql.SQL("clock_timestamp()"),
        "changed_at": sql.SQL("NULL::timestamptz"),
    }
    usable_or_noted = sql.SQL("({} OR rtp.skip({}))").format(expressions.usable("r"), common["name_literal"])
    new = _Rows("new_rows", parts, where=usable_or_noted)
    old = _Rows("old_rows", parts | gone, where=expressions.is_named("r"))
    of_shape = _of_history(new) if watch.is_history else _of_latest(watch, common, new, old)
    return template("watch_samples.sql").format(
        **common,
        **of_shape,
        can_be_read=expressions.can_be_read(),
        table=sql.Literal(sql.Identifier(*watch.table_parts).as_string(None)),
    )


def _of_history(new: _Rows) -> dict[str, sql.Composable]:
    return {"not_safe": sql.SQL(""), "append": new.append(_NO_TRACE), "append_text": as_text(new.append())}


def _of_latest(
    watch: ValueWatch, common: Mapping[str, sql.Composable], new: _Rows, old: _Rows
) -> dict[str, sql.Composable]:
    """Each row is an entity: where it is deleted, or gets another key, the entity of its key is gone."""
    lost = sql.SQL("{} AND NOT EXISTS (SELECT FROM new_rows AS n WHERE {})").format(
        old.select(), same_entity(watch, "n", "r")
    )
    truncated = template("append_gone.sql").format(**common, is_gone=is_gone(watch, "e"))
    return {
        "not_safe": template("not_safe_latest.sql").format(old_entities=old.entities(), new_entities=new.entities()),
        "append": template("append_latest.sql").format(deleted=old.append(_NO_TRACE), written=new.append(_NO_TRACE)),
        "append_text": template("append_latest_text.sql").format(
            inserted=as_text(new.append()),
            updated=as_text(sql.SQL("{} UNION ALL {}").format(new.append(), lost)),
            deleted=as_text(old.append()),
            truncated=as_text(truncated),
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
