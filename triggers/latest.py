"""The trigger of a table updated in place whose rules need no memory but the baseline: it judges sets of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from triggers.expressions import function, is_gone
from triggers.lookups import all_at_once, one_by_one
from triggers.rules import rule_part
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
        "new_sample": expressions.sample(sql.SQL("new_rows"), is_timed=False),
        "old_sample": expressions.sample(sql.SQL("old_rows"), is_timed=False),
    }

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
        report_one=template("report_one.sql").format(watch=watch_id, **expressions.as_read("one"), **rule),
        judge=judge(one_by_one(watch_id, *_SAMPLE), "INTO made, unseen_rows, is_overtaken"),
    )
    texts = template("rare.sql").format(
        name=common["name"],
        quote=common["quote"],
        function=function("rare", name),
        judge=as_text(judge(all_at_once(watch_id, *_SAMPLE))),
        baselines_before=as_text(template("baselines_before.sql").format(**rows)),
        forget_renamed=as_text(template("forget_renamed.sql").format(**rows)),
        forget_gone=as_text(
            template("forget_gone.sql").format(**common, is_gone=is_gone(watch, expressions.types, "b"))
        ),
        first_sightings=as_text(template("first_sightings.sql").format(**rows)),
    )
    return trigger_function, texts
