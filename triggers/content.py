"""What a table holds, judged against the baselines that are there: some of it was written where no trigger saw it.

To be run while nobody can write to the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from triggers.expressions import is_gone
from triggers.lookups import all_at_once
from triggers.samples import sample_columns
from triggers.seed import note_ahead
from triggers.templates import template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.watches import ValueWatch
    from triggers.expressions import Expressions


def content(
    watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable]
) -> tuple[sql.Composed, ...]:
    """Judge it at once, or append to the log of samples what is news."""
    return (_appended if watch.is_sampled else _judged)(watch, expressions, common)


def _judged(
    watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable]
) -> tuple[sql.Composed, ...]:
    table = sql.Identifier(*watch.table_parts)
    rows = {**common, "new_sample": expressions.sample(table, which="timely", is_timed=False)}
    lookup = all_at_once(common["watch"], sql.Identifier("n", "chain"), sql.Identifier("n", "entity"))
    return (
        template("forget_gone.sql").format(**common, is_gone=is_gone(watch, expressions.types, "b")),
        template("judge_latest.sql").format(**rows, lookup=lookup, into=sql.SQL("")),
        template("first_sightings.sql").format(**rows),
        *((note_ahead(expressions, table, common),) if expressions.may_be_ahead else ()),
    )


def _appended(
    watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable]
) -> tuple[sql.Composed, ...]:
    columns = sample_columns(watch, expressions, common)
    written = template("content_history.sql" if watch.is_history else "content_samples.sql").format(
        **{**common, **columns},
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        samples=sql.SQL(", ").join(columns.values()),
        table=sql.Identifier(*watch.table_parts),
        usable=expressions.usable("r"),
    )
    if watch.is_history:
        return (written,)
    return (template("append_gone.sql").format(**common, is_gone=is_gone(watch, expressions.types, "e")), written)
