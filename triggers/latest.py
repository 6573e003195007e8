"""The trigger of a table updated in place whose rules need no memory but the baseline: it judges sets of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from triggers.expressions import is_gone
from triggers.lookups import all_at_once, one_by_one
from triggers.rules import rule_part
from triggers.templates import as_text, template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.watches import ValueWatch
    from triggers.expressions import Expressions

_SAMPLE = (sql.Identifier("n", "chain"), sql.Identifier("n", "entity"))


def latest_function(watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable]) -> sql.Composed:
    """Compile the trigger function; `common` is what every value watch's template is filled with."""
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

    def first_sightings(into: str = "") -> sql.Composed:
        return template("first_sightings.sql").format(**rows, into=sql.SQL(into))

    return template("watch_latest.sql").format(
        **rows,
        forget_gone_text=as_text(template("forget_gone.sql").format(**common, is_gone=is_gone(watch, "b"))),
        first_touched=template("first_touched.sql").format(
            **common, **parts, lookup=one_by_one(watch_id, parts["chain"], parts["entity"])
        ),
        judge_one=template("judge_one.sql").format(**common, **parts, **rule),
        judge=judge(one_by_one(watch_id, *_SAMPLE), "INTO made, unseen_rows"),
        judge_text=as_text(judge(all_at_once(watch_id, *_SAMPLE))),
        baselines_before_text=as_text(template("baselines_before.sql").format(**rows)),
        forget_renamed_text=as_text(template("forget_renamed.sql").format(**rows)),
        first_sightings=first_sightings("INTO made"),
        first_sightings_text=as_text(first_sightings()),
    )
