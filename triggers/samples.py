"""The trigger of a table of history, or of rules with a longer memory: it judges samples one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from triggers.expressions import is_gone
from triggers.lookups import all_at_once, one_by_one
from triggers.rules import whole_rule
from triggers.templates import as_text, template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from core.settings.watches import ValueWatch
    from triggers.expressions import Expressions

# A trigger's work has a bound. What is more than this is left to rtp run, in the same transaction.
MOST_AT_ONCE = 100
_NOTHING = sql.SQL("SELECT NULL::rtp.sample WHERE false")


def samples_function(watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable]) -> sql.Composed:
    """Compile the trigger function; `common` is what every value watch's template is filled with."""
    few = _samples(watch, expressions, common, one_by_one)
    many = _samples(watch, expressions, common, all_at_once)
    # One more than can be judged at once says that all must be left.
    at_once = sql.SQL("SELECT ARRAY({} LIMIT {} + 1)")
    return template("watch_samples.sql").format(
        **common,
        **few,
        **{f"{what}_text": as_text(at_once.format(those, MOST_AT_ONCE)) for what, those in many.items()},
        **{f"leave_{what}_text": as_text(template("leave.sql").format(samples=those)) for what, those in many.items()},
        most_at_once=sql.Literal(MOST_AT_ONCE),
        rule=whole_rule(watch, "sample"),
    )


def _samples(
    watch: ValueWatch,
    expressions: Expressions,
    common: Mapping[str, sql.Composable],
    lookup: Callable[[sql.Composable, sql.Composable, sql.Composable], sql.Composed],
) -> dict[str, sql.Composable]:
    """What each kind of statement means, as rows of rtp.sample."""
    new, old = expressions.sample(sql.SQL("new_rows")), expressions.sample(sql.SQL("old_rows"))
    watch_id = common["watch"]
    inserted = updated = expressions.as_row(watch_id, _touched(watch, new, common, lookup), "sample")
    if watch.is_history:
        return {"inserted": inserted, "updated": updated, "deleted": _NOTHING, "truncated": _NOTHING}
    vanished = sql.SQL(
        "SELECT o.* FROM ({old}) AS o WHERE NOT EXISTS "
        "(SELECT FROM ({new}) AS n WHERE n.chain = o.chain AND n.entity = o.entity)"
    ).format(old=old, new=new)
    gone = expressions.as_row(watch_id, vanished, "deleted")
    return {
        "inserted": inserted,
        "updated": sql.SQL("SELECT u.row FROM (({}) UNION ALL ({})) AS u (row)").format(gone, updated),
        "deleted": expressions.as_row(watch_id, old, "deleted"),
        "truncated": _all_gone(watch, common),
    }


def _all_gone(watch: ValueWatch, common: Mapping[str, sql.Composable]) -> sql.Composed:
    return sql.SQL(
        "SELECT ROW(NULL, {watch}, e.chain, e.entity, 'deleted', NULL, clock_timestamp(), statement_timestamp(), "
        "{default_confidence}, {default_provenance}, NULL, NULL, NULL)::rtp.sample "
        "FROM (SELECT b.chain, b.entity FROM rtp.baseline AS b WHERE b.watch = {watch} "
        "UNION SELECT s.chain, s.entity FROM rtp.sample AS s WHERE s.watch = {watch}) AS e WHERE {is_gone}"
    ).format(**common, is_gone=is_gone(watch, "e"))


def _touched(
    watch: ValueWatch,
    new: sql.Composed,
    common: Mapping[str, sql.Composable],
    lookup: Callable[[sql.Composable, sql.Composable, sql.Composable], sql.Composed],
) -> sql.Composed:
    """The rows that need a closer look: of a history all, for the newest is remembered; else those outside the band."""
    if watch.is_history or watch.compare_with == "previous_row":
        return new
    return sql.SQL(
        "SELECT n.* FROM ({new}) AS n {lookup} "
        "WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = {rules}) IS NOT TRUE "
        "OR EXISTS (SELECT FROM rtp.sample AS s WHERE s.watch = {watch})"
    ).format(
        new=new,
        lookup=lookup(common["watch"], sql.Identifier("n", "chain"), sql.Identifier("n", "entity")),
        watch=common["watch"],
        rules=common["rules"],
    )
