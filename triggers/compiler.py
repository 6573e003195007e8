"""From a watch to the SQL of its triggers. Pure: no connection, no clock; `psycopg.sql` quotes every name and value.

Thresholds are compiled into functions: changing one replaces a function and takes no lock on the table.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from core.settings.watches import ProtocolWatch, ValueWatch, Watch
from triggers.expressions import EXACT_FLOATS, Expressions, function, is_gone, quote
from triggers.protocols import protocol_function, protocol_seed
from triggers.templates import template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.settings.models import Statistics

# A trigger's work has a bound. What is more than this is left to rtp run, in the same transaction.
MOST_AT_ONCE = 100
_WEIGHTS: Mapping[str, int] = {"sampled": 100, "all": 1}
_TRANSITION_TABLES = {
    "INSERT": sql.SQL("REFERENCING NEW TABLE AS new_rows"),
    "UPDATE": sql.SQL("REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    "DELETE": sql.SQL("REFERENCING OLD TABLE AS old_rows"),
    "TRUNCATE": sql.SQL(""),
}


@dataclass(frozen=True)
class CompiledWatch:
    """A watch's SQL: its functions, the triggers that call them, and the first filling of its baselines."""

    name: str
    functions: tuple[sql.Composed, ...]
    triggers: tuple[sql.Composed, ...]
    seed: sql.Composed

    @property
    def md5(self) -> str:
        """Tells whether a watch would be compiled to the same functions as before."""
        text = "\n".join(function.as_string(None) for function in self.functions)
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def compile_watch(
    name: str,
    watch: Watch,
    *,
    watch_id: int,
    rules: int,
    column_types: Mapping[str, str],
    tables: Sequence[tuple[str, ...]] = (),
    statistics: Statistics = "sampled",
) -> CompiledWatch:
    """Compile one watch.

    `watch_id` is its key in rtp.watch, `rules` the revision of its rules; `column_types` gives the SQL type of each
    mapped column, as format_type() prints it: floats, say, must reach NUMERIC through text, or PostgreSQL rounds them
    to 15 digits. `tables` are the watch's table and its partitions: a write to a partition does not fire its table's
    triggers.
    """
    triggers = _triggers(name, watch, tables or [watch.table_parts])
    if isinstance(watch, ProtocolWatch):
        body = protocol_function(name, watch, watch_id, column_types, _measuring(watch_id, statistics))
        return CompiledWatch(name, (body,), triggers, protocol_seed(watch, watch_id))
    expressions = Expressions(watch, column_types)
    common = {
        "name": sql.SQL(name),
        "name_literal": sql.Literal(name),
        "function": function("watch", name),
        "quote": quote(watch),
        "watch": sql.SQL("{}::smallint").format(sql.Literal(watch_id)),
        "rules": sql.Literal(rules),
        "default_confidence": sql.SQL("{}::double precision").format(sql.Literal(watch.confidence)),
        "default_provenance": sql.SQL("{}::text").format(sql.Literal(watch.provenance)),
        "is_history": sql.Literal(watch.shape == "history"),
        "by_previous_row": sql.Literal(watch.compare_with == "previous_row"),
        **_measuring(watch_id, statistics),
        "exact_floats": EXACT_FLOATS if expressions.is_float else sql.SQL(""),
        "note_unusable": template("note_unusable.sql").format(
            name_literal=sql.Literal(name), usable=expressions.usable("r")
        ),
    }
    trigger_function = _latest(watch, expressions, common) if is_plain(watch) else _samples(watch, expressions, common)
    terms = template("terms.sql").format(
        **common,
        terms=function("terms", name),
        now=function("now", name),
        rule=expressions.rule("sample"),
        sample=expressions.sample(sql.Identifier(*watch.table_parts)),
    )
    seed = template("seed.sql").format(
        **common, rule=expressions.rule("sample"), sample=expressions.sample(sql.Identifier(*watch.table_parts))
    )
    return CompiledWatch(name, (trigger_function, terms), triggers, seed)


def is_plain(watch: ValueWatch) -> bool:
    """Whether a baseline's value is all that the watch's rules must remember, so that it works on sets of rows."""
    keys = ("heartbeat", "cooldown", "glitch_guard", "peg")
    has_memory = any(getattr(source, key, None) for source in (watch, *watch.overrides) for key in keys)
    return watch.shape == "latest" and watch.compare_with == "last_event" and not has_memory


def trigger_name(watch_name: str, operation: str) -> str:
    """The name of one of a watch's triggers; `rtp_` marks it as ours on the user's table."""
    return f"rtp_{watch_name}_{operation.lower()}"


def operations(watch: Watch) -> tuple[str, ...]:
    """The statements that a watch's triggers fire after. Deleting history changes nothing that was reported."""
    if not isinstance(watch, ProtocolWatch) and watch.shape == "history":
        return ("INSERT", "UPDATE")
    return ("INSERT", "UPDATE", "DELETE", "TRUNCATE")


def trigger_names(name: str, watch: Watch) -> list[str]:
    """The names of a watch's triggers."""
    return [trigger_name(name, operation) for operation in operations(watch)]


def _triggers(name: str, watch: Watch, tables: Sequence[tuple[str, ...]]) -> tuple[sql.Composed, ...]:
    return tuple(
        sql.SQL(
            "CREATE OR REPLACE TRIGGER {trigger} AFTER {operation} ON {table} {transition} "
            "FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        ).format(
            trigger=sql.Identifier(trigger_name(name, operation)),
            operation=sql.SQL(operation),
            table=sql.Identifier(*parts),
            transition=_TRANSITION_TABLES[operation],
            function=function("watch", name),
        )
        for parts in tables
        for operation in operations(watch)
    )


def _measuring(watch_id: int, statistics: Statistics) -> Mapping[str, sql.Composable]:
    """How a trigger measures itself: when its clock starts (null: this statement is not measured), and its end."""
    if statistics == "off":
        return {"started": sql.SQL("NULL"), "measure": sql.SQL("")}
    weight = sql.Literal(_WEIGHTS[statistics])
    clock: sql.Composable = sql.SQL("clock_timestamp()")
    if statistics == "sampled":
        clock = sql.SQL("CASE WHEN random() * {} < 1 THEN {} END").format(weight, clock)
    return {"started": clock, "measure": template("measure.sql").format(watch=sql.Literal(watch_id), weight=weight)}


def _latest(watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable]) -> sql.Composed:
    new_sample = expressions.sample(sql.SQL("new_rows"), is_timed=False)
    parts = expressions.parts("r")
    rule = {key: expressions.key("one", key) for key in ("percent", "min_change", "warning", "critical")}
    judge = template("judge_latest.sql")
    return template("watch_latest.sql").format(
        **common,
        first_touched=template("first_touched.sql").format(**common, **parts),
        is_gone=is_gone(watch, "b"),
        judge_one=template("judge_one.sql").format(**common, **parts, **rule),
        judge=judge.format(**common, new_sample=new_sample, into=sql.SQL("INTO made, unseen_rows")),
        judge_text=_as_text(judge.format(**common, new_sample=new_sample, into=sql.SQL(""))),
        new_sample=new_sample,
        old_sample=expressions.sample(sql.SQL("old_rows"), is_timed=False),
    )


def _as_text(statement: sql.Composed) -> sql.Composed:
    """A statement as a literal, for EXECUTE: one that PostgreSQL plans anew each time."""
    return sql.SQL("{}").format(sql.Literal(statement.as_string(None)))


def _samples(watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable]) -> sql.Composed:
    new, old = expressions.sample(sql.SQL("new_rows")), expressions.sample(sql.SQL("old_rows"))
    vanished = sql.SQL(
        "SELECT o.* FROM ({old}) AS o WHERE NOT EXISTS "
        "(SELECT FROM ({new}) AS n WHERE n.chain = o.chain AND n.entity = o.entity)"
    ).format(old=old, new=new)
    as_row = expressions.as_row
    watch_id = common["watch"]
    is_history = watch.shape == "history"
    judged = _touched(watch, new, common)
    updated = as_row(watch_id, judged, "sample")
    nothing = sql.SQL("SELECT NULL::rtp.sample WHERE false")
    if not is_history:
        gone = as_row(watch_id, vanished, "deleted")
        updated = sql.SQL("SELECT u.row FROM (({}) UNION ALL ({})) AS u (row)").format(gone, updated)
    all_gone = sql.SQL(
        "SELECT ROW(NULL, {watch}, e.chain, e.entity, 'deleted', NULL, clock_timestamp(), statement_timestamp(), "
        "{confidence}, {provenance}, NULL, NULL, NULL)::rtp.sample "
        "FROM (SELECT b.chain, b.entity FROM rtp.baseline AS b WHERE b.watch = {watch} "
        "UNION SELECT s.chain, s.entity FROM rtp.sample AS s WHERE s.watch = {watch}) AS e WHERE {is_gone}"
    ).format(
        confidence=common["default_confidence"],
        provenance=common["default_provenance"],
        watch=watch_id,
        is_gone=is_gone(watch, "e"),
    )
    return template("watch_samples.sql").format(
        **common,
        most_at_once=sql.Literal(MOST_AT_ONCE),
        rule=expressions.rule("sample"),
        inserted=as_row(watch_id, judged, "sample"),
        updated=updated,
        deleted=nothing if is_history else as_row(watch_id, old, "deleted"),
        truncated=nothing if is_history else all_gone,
    )


def _touched(watch: ValueWatch, new: sql.Composed, common: Mapping[str, sql.Composable]) -> sql.Composed:
    """The rows that need a closer look: of a history all, for the newest is remembered; else those outside the band."""
    if watch.shape == "history" or watch.compare_with == "previous_row":
        return new
    return sql.SQL(
        "SELECT n.* FROM ({new}) AS n "
        "LEFT JOIN rtp.baseline AS b ON b.watch = {watch} AND b.chain = n.chain AND b.entity = n.entity "
        "WHERE (n.value > b.lower AND n.value < b.upper AND b.rules = {rules}) IS NOT TRUE "
        "OR EXISTS (SELECT FROM rtp.sample AS s WHERE s.watch = {watch})"
    ).format(new=new, watch=common["watch"], rules=common["rules"])
