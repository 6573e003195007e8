"""The trigger of a table updated in place whose rules need no memory but the baseline: it judges sets of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from triggers.expressions import function, is_gone
from triggers.lookups import all_at_once, one_by_one
from triggers.rules import rule_part
from triggers.seed import note_ahead
from triggers.templates import as_text, template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.watches import ValueWatch
    from triggers.expressions import Expressions

_SAMPLE = (sql.Identifier("n", "chain"), sql.Identifier("n", "entity"))


def latest_functions(
    watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable], name: str
) -> tuple[sql.Composed, sql.Composed]:
    """Compile the trigger function and the texts that it seldom runs; `common` fills every value watch's template."""
    watch_id = common["watch"]
    parts = expressions.parts("r")
    rule = {key: rule_part(watch, "one", key) for key in ("percent", "min_change", "warning", "critical")}
    rows = {
        **common,
        "new_sample": expressions.sample(sql.SQL("new_rows"), which="timely", is_timed=False),
        "old_sample": expressions.sample(sql.SQL("old_rows"), which="timely", is_timed=False),
    }
    renamed = {
        "new_sample": expressions.sample(sql.SQL("new_rows"), is_timed=False),
        "old_sample": expressions.sample(sql.SQL("old_rows"), is_timed=False),
    }
    ahead = _ahead(expressions, common, name)

    def judge(lookup: sql.Composed, into: str = "") -> sql.Composed:
        return template("judge_latest.sql").format(**rows, lookup=lookup, into=sql.SQL(into))

    trigger_function = template("watch_latest.sql").format(
        **rows,
        **{part: parts[part] for part in ("chain", "entity")},
        rare=function("rare", name),
        first_touched=template("first_touched.sql").format(
            read=expressions.read("r"),
            value=parts["value"],
            rules=common["rules"],
            lookup=one_by_one(watch_id, parts["chain"], parts["entity"]),
        ),
        report_one=template("report_one.sql").format(
            watch=watch_id,
            **expressions.as_read("one"),
            **rule,
            is_timely=ahead["is_timely"],
        ),
        look_ahead=ahead["look_ahead"],
        judge=judge(one_by_one(watch_id, *_SAMPLE), "INTO made, unseen_rows, is_overtaken"),
    )
    texts = template("rare.sql").format(
        name=common["name"],
        quote=common["quote"],
        function=function("rare", name),
        judge=as_text(judge(all_at_once(watch_id, *_SAMPLE))),
        baselines_before=as_text(template("baselines_before.sql").format(**rows)),
        forget_renamed=as_text(template("forget_renamed.sql").format(**rows | renamed)),
        forget_gone=as_text(
            template("forget_gone.sql").format(**common, is_gone=is_gone(watch, expressions.types, "b"))
        ),
        first_sightings=as_text(template("first_sightings.sql").format(**rows)),
        note_ahead=ahead["note_ahead"],
    )
    return trigger_function, texts


def _ahead(expressions: Expressions, common: Mapping[str, sql.Composable], name: str) -> dict[str, sql.Composable]:
    """How the trigger passes over rows whose own time is too far ahead: nothing where there can be none."""
    if not expressions.may_be_ahead:
        return dict.fromkeys(("is_timely", "look_ahead", "note_ahead"), sql.SQL(""))
    told, parts = expressions.as_read("one"), expressions.parts("r")
    note = note_ahead(expressions, sql.SQL("new_rows"), common)
    return {
        "is_timely": sql.SQL(" AND NOT {}").format(expressions.is_ahead(told["changed_at"])),
        "look_ahead": template("look_ahead.sql").format(
            is_ahead=expressions.is_ahead(parts["changed_at"]), rare=function("rare", name)
        ),
        "note_ahead": sql.SQL("WHEN 'note ahead' THEN\n{}\n").format(as_text(note)),
    }
