"""The trigger of a table updated in place whose rules need no memory but the baseline: it judges sets of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from triggers.expressions import function, named
from triggers.identity import is_of
from triggers.lookups import all_at_once, one_by_one
from triggers.renames import is_renaming, pairs
from triggers.rules import rule_part
from triggers.samples import Samples
from triggers.seed import note_ahead
from triggers.templates import as_text, template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.watches import ValueWatch
    from triggers.expressions import Expressions

_SAMPLE = (sql.Identifier("n", "chain"), sql.Identifier("n", "entity"))


def latest_functions(
    watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable], name: str, *, may_exchange: bool
) -> tuple[sql.Composed, ...]:
    """Compile the trigger function, the texts that it seldom runs, and what the table holds of some entities now.

    `common` fills every value watch's template; two rows `may_exchange` their keys within one statement.
    """
    watch_id = common["watch"]
    parts = expressions.parts("r")
    rare = function("rare", name)
    samples = Samples(watch, expressions, common, may_exchange=may_exchange)
    rows = {
        **common,
        "new_sample": expressions.sample(sql.SQL("new_rows"), which="timely", is_timed=False),
        "old_sample": expressions.sample(sql.SQL("old_rows"), which="timely", is_timed=False),
    }
    ahead = _ahead(expressions, common, name)
    looks = _looks_for_renamed(watch, expressions, may_exchange=may_exchange)

    def judge(lookup: sql.Composed, into: str = "") -> sql.Composed:
        return template("judge_latest.sql").format(**rows, lookup=lookup, into=sql.SQL(into))

    trigger_function = template("watch_latest.sql").format(
        **rows,
        rare=rare,
        append_samples=samples.appended(samples.of_unjudged(rare)),
        first_touched=template("first_touched.sql").format(
            read=expressions.read("r"),
            value=parts["value"],
            rules=common["rules"],
            lookup=one_by_one(watch_id, parts["chain"], parts["entity"]),
        ),
        report_one=template("report_one.sql").format(
            watch=watch_id,
            **expressions.as_read("one"),
            **_rule(watch, "one"),
            is_timely=ahead["is_timely"],
            and_none=looks["and_none"],
            report_many=_report_many(watch, expressions, common, may_exchange=may_exchange),
        ),
        **looks,
        look_ahead=ahead["look_ahead"],
        judge=judge(one_by_one(watch_id, *_SAMPLE), "INTO made, unseen_rows, older_rows, is_overtaken"),
    )
    texts = template("rare.sql").format(
        name=common["name"],
        quote=common["quote"],
        function=rare,
        judge=as_text(judge(all_at_once(watch_id, *_SAMPLE))),
        baselines_before=as_text(
            template("baselines_before.sql").format(**rows, unless_told=_unless_told(watch, watch_id))
        ),
        **samples.texts_of_unjudged(),
        rename=as_text(
            template("rename.sql").format(
                watch=watch_id,
                rules=sql.SQL("{} - 1").format(common["rules"]),
                pairs=pairs(watch, expressions.types),
            )
        ),
        first_sightings=as_text(template("first_sightings.sql").format(**rows)),
        note_ahead=ahead["note_ahead"],
    )
    is_timely = sql.SQL("{} AND NOT {}").format(expressions.usable("r"), expressions.is_ahead(parts["changed_at"]))
    now = template("now_many.sql").format(
        **{**common, "function": function("now", name)},
        what=sql.SQL("value numeric, is_usable boolean"),
        parts=sql.SQL("e.chain, e.entity, {value}, {usable}, {confidence}, {provenance}, {changed_at}").format(
            usable=is_timely, **parts
        ),
        table=sql.Identifier(*watch.table_parts),
        is_of=is_of(watch, expressions.types),
    )
    return trigger_function, texts, now


def _rule(watch: ValueWatch, row: str) -> dict[str, sql.Composable]:
    return {key: rule_part(watch, row, key) for key in ("percent", "min_change", "warning", "critical")}


def _report_many(
    watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable], *, may_exchange: bool
) -> sql.Composed:
    """Report several plain deviations of one statement where nothing can fail."""
    return template("report_many.sql").format(
        watch=common["watch"],
        rules=common["rules"],
        can_be_read=expressions.can_be_read(),
        is_renaming=is_renaming(watch, expressions.types, may_exchange=may_exchange),
        parts=named(expressions.parts("r")),
        lookup=one_by_one(common["watch"], *_SAMPLE),
        is_timely=sql.SQL("NOT {}").format(expressions.is_ahead(sql.Identifier("n", "changed_at"))),
        **_rule(watch, "t"),
    )


def _unless_told(watch: ValueWatch, watch_id: sql.Composable) -> sql.Composable:
    """Which rows of before have no baseline: none, where nobody is to be told of first sightings."""
    if not any(source.emit_first for source in watch.rule_sources):
        return sql.SQL("")
    return sql.SQL("{}\n").format(template("unless_told.sql").format(watch=watch_id))


def _looks_for_renamed(watch: ValueWatch, expressions: Expressions, *, may_exchange: bool) -> dict[str, sql.Composable]:
    """When the trigger looks for renamed rows. Most statements are not to pay for it."""
    look = sql.SQL("is_renaming := {}").format(is_renaming(watch, expressions.types, may_exchange=may_exchange))
    nothing = dict.fromkeys(("exchange_note", "look_for_exchange", "look_for_renamed", "and_none"), sql.SQL(""))
    if may_exchange:
        note = "; and always, as\n-- two rows of this table may exchange their keys in one statement"
        of_update = sql.SQL("\n        IF TG_OP = 'UPDATE' THEN\n            {};\n        END IF;").format(look)
        return nothing | {
            "exchange_note": sql.SQL(note),
            "look_for_exchange": of_update,
            "and_none": sql.SQL(" AND NOT is_renaming"),
        }
    return nothing | {"look_for_renamed": template("look_for_renamed.sql").format(look=look)}


def _ahead(expressions: Expressions, common: Mapping[str, sql.Composable], name: str) -> dict[str, sql.Composable]:
    """How the trigger passes over rows whose own time is too far ahead: nothing where there can be none."""
    if not expressions.may_be_ahead:
        return dict.fromkeys(("is_timely", "look_ahead", "note_ahead"), sql.SQL(""))
    told, parts = expressions.as_read("one"), expressions.parts("r")
    note = note_ahead(expressions, sql.SQL("new_rows"), common)
    are_ahead = sql.SQL("EXISTS (SELECT FROM new_rows AS r WHERE {})").format(expressions.is_ahead(parts["changed_at"]))
    return {
        "is_timely": sql.SQL(" AND NOT {}").format(expressions.is_ahead(told["changed_at"])),
        "look_ahead": template("look_ahead.sql").format(are_ahead=are_ahead, rare=function("rare", name)),
        "note_ahead": sql.SQL("WHEN 'note ahead' THEN\n{}\n").format(as_text(note)),
    }
