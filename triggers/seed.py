"""What an installation makes of the rows that are there: baselines, for the trigger or for the judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from triggers.identity import is_gone
from triggers.templates import template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.watches import ValueWatch
    from triggers.expressions import Expressions


def seed(watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable]) -> tuple[sql.Composed, ...]:
    """The first baseline of each entity that has none; `common` is what every value watch's template is filled with."""
    name = "seed_samples.sql" if watch.is_sampled else "seed_latest.sql"
    table = sql.Identifier(*watch.table_parts)
    # Where sources must agree, one row is the word of one: what they agree on is found out from their next ones.
    value = sql.SQL("n.value" if watch.agree is None else "NULL::numeric")
    baselines = template(name).format(**common, value=value, sample=expressions.sample(table, which="timely"))
    return (baselines, note_ahead(expressions, table, common)) if expressions.may_be_ahead else (baselines,)


def note_ahead(
    expressions: Expressions, relation: sql.Composable, common: Mapping[str, sql.Composable]
) -> sql.Composed:
    """Note a relation's rows whose own time is too far ahead; in a statement where there can be any."""
    ahead = expressions.sample(relation, which="ahead", is_timed=False)
    return template("note_ahead.sql").format(watch=common["watch"], ahead_sample=ahead)


def catch_up(
    watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable]
) -> tuple[sql.Composed, ...]:
    """Make baselines of a trigger that judged by itself those of the judge; nobody may write to the table meanwhile."""
    without_band = sql.SQL("UPDATE rtp.baseline SET lower = NULL, upper = NULL WHERE watch = {watch}").format(**common)
    if watch.is_history:
        return (without_band,)
    table = sql.Identifier(*watch.table_parts)
    return (
        without_band,
        template("catch_up.sql").format(**common, sample=expressions.sample(table, which="timely")),
        template("append_gone.sql").format(**common, is_gone=is_gone(watch, expressions.types, "e")),
        sql.SQL("DELETE FROM rtp.look WHERE watch = {watch}").format(**common),
        sql.SQL("DELETE FROM rtp.waiting_rename WHERE watch = {watch}").format(**common),
    )
