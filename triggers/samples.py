"""The trigger of a table of history, or of rules with a memory: it appends samples, which rtp run judges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from triggers.expressions import is_gone, named, same_entity
from triggers.templates import as_text, template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.watches import ValueWatch
    from triggers.expressions import Expressions

_ALWAYS, _NEVER = sql.SQL("true"), sql.SQL("false")
_NOW = sql.SQL("clock_timestamp()")
_TRACE = {name: sql.Identifier("one", name) for name in ("traceparent", "tracestate")}


def samples_function(watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable]) -> sql.Composed:
    """Compile the trigger function; `common` is what every value watch's template is filled with."""
    parts = expressions.parts("r") | {"sampled_at": expressions.sampled_at("r")}
    gone = {"value": sql.SQL("NULL::numeric"), "sampled_at": _NOW, "changed_at": _NOW}
    new = _Rows("new_rows", "sample", parts, expressions, common["watch"])
    old = _Rows("old_rows", "deleted", parts | gone, expressions, common["watch"])
    of_shape = _of_history(new) if watch.is_history else _of_latest(watch, common, new, old)
    return template("watch_samples.sql").format(**common, **of_shape)


def _of_history(new: _Rows) -> dict[str, sql.Composable]:
    return {"look": new.look(), "append_many": new.append(_TRACE), "append_text": as_text(new.append())}


def _of_latest(
    watch: ValueWatch, common: Mapping[str, sql.Composable], new: _Rows, old: _Rows
) -> dict[str, sql.Composable]:
    """Each row is an entity: where it is deleted, or gets another key, the entity of its key is gone."""
    lost = sql.SQL("NOT EXISTS (SELECT FROM new_rows AS n WHERE {})").format(same_entity(watch, "n", "r"))
    updated = sql.SQL("{} UNION ALL {}").format(new.append(), old.select(where=lost))
    has_lost = sql.SQL("EXISTS ({} EXCEPT {})").format(old.entities(), new.entities())
    truncated = template("append_gone.sql").format(**common, is_gone=is_gone(watch, "e"))
    return {
        "look": template("look_by_operation.sql").format(
            inserted=new.look(), updated=new.look(unless=has_lost), deleted=old.look()
        ),
        "append_many": template("append_by_operation.sql").format(
            inserted=new.append(_TRACE), deleted=old.append(_TRACE)
        ),
        "append_text": template("text_by_operation.sql").format(
            inserted=as_text(new.append()),
            updated=as_text(updated),
            deleted=as_text(old.append()),
            truncated=as_text(truncated),
        ),
    }


@dataclass(frozen=True)
class _Rows:
    """One of a statement's transition tables, as samples."""

    name: str
    what: str
    parts: Mapping[str, sql.Composable]
    expressions: Expressions
    watch_id: sql.Composable

    def look(self, unless: sql.Composable = _NEVER) -> sql.Composed:
        """Read the first row, and whether this and all others can be written without fear."""
        return template("look_at_samples.sql").format(
            sample=named({"what": self._what, **self.parts}),
            rows=sql.SQL(self.name),
            usable=self.expressions.usable("r"),
            is_total=self.expressions.is_total("r"),
            unless=unless,
        )

    def append(self, more: Mapping[str, sql.Composable] = {}) -> sql.Composed:
        """Append all usable rows to the log."""
        columns = map(sql.Identifier, ("watch", "what", *self.parts, *more))
        return template("append_samples.sql").format(columns=sql.SQL(", ").join(columns), samples=self.select(more))

    def select(self, more: Mapping[str, sql.Composable] = {}, where: sql.Composable = _ALWAYS) -> sql.Composed:
        """The usable rows."""
        values = sql.SQL(", ").join((self.watch_id, self._what, *self.parts.values(), *more.values()))
        return sql.SQL("SELECT {} FROM {} AS r WHERE {} AND {}").format(
            values, sql.SQL(self.name), self.expressions.usable("r"), where
        )

    def entities(self) -> sql.Composed:
        """The rows' keys."""
        return sql.SQL("SELECT {}, {} FROM {} AS r").format(
            self.parts["chain"], self.parts["entity"], sql.SQL(self.name)
        )

    @property
    def _what(self) -> sql.Composable:
        return sql.SQL("{}::text").format(sql.Literal(self.what))
