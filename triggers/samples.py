"""The trigger of a table of history, or of rules with a memory: it appends samples, which rtp run judges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg import sql

from triggers.identity import looked_at
from triggers.renames import is_lost, is_renaming, pairs
from triggers.templates import as_text, template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.watches import ValueWatch
    from triggers.expressions import Expressions

_NOT_RENAMED = dict.fromkeys(("former_chain", "former_entity"), sql.SQL("NULL::text"))
_NO_TRACE = dict.fromkeys(("traceparent", "tracestate"), sql.SQL("NULL"))


def samples_function(
    watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable], *, may_exchange: bool
) -> sql.Composed:
    """Compile the trigger function; `common` is what every value watch's template is filled with."""
    samples = Samples(watch, expressions, common, may_exchange=may_exchange)
    of_shape = samples.of_history() if watch.is_history else samples.of_latest()
    return template("watch_samples.sql").format(**common, append_samples=samples.appended(of_shape))


class Samples:
    """A statement's rows as samples: those that it has written, has renamed, and those whose entity is gone."""

    def __init__(
        self, watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable], *, may_exchange: bool
    ) -> None:
        self._watch = watch
        self._may_exchange = may_exchange
        self._expressions = expressions
        self._common = common
        self._table = sql.Literal(sql.Identifier(*watch.table_parts).as_string(None))
        self._plain = _Statement(watch, expressions, common)
        self._other = _Statement(watch, replace(expressions, types=expressions.types.unchecked()), common)

    def appended(self, parts: Mapping[str, sql.Composable]) -> sql.Composed:
        """What a trigger function does to append them, before it returns; `parts` say how."""
        return template("append.sql").format(
            **self._common,
            **parts,
            can_be_read=self._expressions.can_be_read(),
            installed=sql.Literal(self._expressions.checked_columns()),
            table=self._table,
        )

    def of_history(self) -> Mapping[str, sql.Composable]:
        """Each row is a sample."""
        append_text = sql.SQL("EXECUTE {}").format(as_text(self._other.new.append()))
        return {"not_safe": sql.SQL(""), "append": self._plain.new.append(_NO_TRACE), "append_text": append_text}

    def of_latest(self) -> Mapping[str, sql.Composable]:
        """Each row is an entity: where it is deleted, the entity of its key is gone; with another key it is renamed."""
        append = template("append_latest.sql").format(
            deleted=self._plain.old.append(_NO_TRACE), written=self._plain.new.append(_NO_TRACE)
        )
        append_text = template("append_latest_text.sql").format(
            **{what: as_text(statement) for what, statement in self._by_operation().items()}, table=self._table
        )
        return {"not_safe": self._not_safe("TRUNCATE"), "append": append, "append_text": append_text}

    def of_unjudged(self, rare: sql.Composable) -> Mapping[str, sql.Composable]:
        """The same where the trigger judges by itself what it can; `rare` is the function that has the texts."""
        return {
            "not_safe": self._not_safe("DELETE", "TRUNCATE"),
            "append": self._plain.new.append(_NO_TRACE),
            "append_text": template("leave_to_the_judge.sql").format(rare=rare, table=self._table),
        }

    def texts_of_unjudged(self) -> Mapping[str, sql.Composed]:
        """What the function `rare` has the texts of."""
        old, is_lost = self._plain.old, self._plain.is_lost_unpaired
        mark = template("mark_gone.sql")
        return {
            **{f"append_{what}": as_text(statement) for what, statement in self._by_operation().items()},
            "mark_gone": as_text(mark.format(**self._common, gone=self._other.old.entities())),
            "leave_lost": as_text(
                template("leave_lost.sql").format(
                    pairs=self._plain.pairs,
                    mark=mark.format(**self._common, gone=old.entities(lost=is_lost)),
                    append=old.append(lost=is_lost),
                )
            ),
        }

    def _by_operation(self) -> Mapping[str, sql.Composed]:
        new, old = self._other.new, self._other.old
        return {
            "inserted": new.append(),
            "updated": self._other.updated,
            "deleted": old.append(),
        }

    def _not_safe(self, *operations: str) -> sql.Composed:
        return template("not_safe_latest.sql").format(
            never_safe=sql.SQL(", ").join(map(sql.Literal, operations)),
            is_renaming=is_renaming(self._watch, self._expressions.types, may_exchange=self._may_exchange),
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
        columns, held = looked_at(self.watch, expressions.types, "r")
        usable_or_noted = sql.SQL("({} OR rtp.skip({}, {}, {}))").format(
            expressions.usable("r"), self.common["name_literal"], columns, held
        )
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
    def pairs(self) -> sql.Composed:
        """The rows that are called otherwise now."""
        return pairs(self.watch, self.expressions.types)

    @property
    def is_lost_unpaired(self) -> sql.Composed:
        """Whether no row has the key of an old row `r` any more, and none of `pair` is what it is called now."""
        return is_lost(self.watch, self.expressions.types)

    @property
    def updated(self) -> sql.Composed:
        """Append what an UPDATE has renamed, what it has written, and who is gone."""
        columns = self.new.parts.keys()
        renamed: dict[str, sql.Composable] = dict.fromkeys(columns, sql.SQL("NULL")) | {
            **{part: sql.Identifier(part) for part in ("chain", "entity", "confidence", "provenance")},
            "watch": self.common["watch"],
            "what": sql.SQL("'renamed'"),
            "value": sql.SQL("NULL::numeric"),
            "sampled_at": sql.SQL("clock_timestamp()"),
            "changed_at": sql.Identifier("changed_at"),
        }
        aside = renamed | {
            "chain": sql.SQL("''"),
            "entity": sql.SQL("jsonb_build_array(former_chain, former_entity)::text"),
        }
        return template("append_updated.sql").format(
            pairs=self.pairs,
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            aside=sql.SQL(", ").join(aside[column] for column in columns),
            renamed=sql.SQL(", ").join(renamed[column] for column in columns),
            written=self.new.select({**self.new.parts, **_NOT_RENAMED}),
            lost=self.old.select({**self.old.parts, **_NOT_RENAMED}, lost=self.is_lost_unpaired),
        )


@dataclass(frozen=True)
class _Rows:
    """One of a statement's transition tables, as rows of rtp.sample."""

    name: str
    parts: Mapping[str, sql.Composable]
    where: sql.Composable

    def append(
        self, more: Mapping[str, sql.Composable] | None = None, *, lost: sql.Composable | None = None
    ) -> sql.Composed:
        """Append them to the log."""
        parts = {**self.parts, **(more or {})}
        columns = sql.SQL(", ").join(map(sql.Identifier, parts))
        return template("append_samples.sql").format(columns=columns, samples=self.select(parts, lost=lost))

    def select(
        self, parts: Mapping[str, sql.Composable] | None = None, *, lost: sql.Composable | None = None
    ) -> sql.Composed:
        """The usable ones; only those that are `lost`, where that is given."""
        values = sql.SQL(", ").join((parts or self.parts).values())
        selected = sql.SQL("SELECT {} FROM {} AS r WHERE {}").format(values, sql.SQL(self.name), self.where)
        return selected if lost is None else sql.SQL("{} AND {}").format(selected, lost)

    def entities(self, *, lost: sql.Composable | None = None) -> sql.Composed:
        """Whom they are of, where they have a usable name."""
        return self.select({part: self.parts[part] for part in ("chain", "entity")}, lost=lost)


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
    if watch.columns.source is not None:
        columns["source"] = sql.SQL("left({}, 200)").format(expressions.types.text("r", watch.columns.source))
    if watch.is_history:
        del columns["changed_at"]  # the same as sampled_at
    return columns
