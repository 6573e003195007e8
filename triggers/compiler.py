"""From a watch to the SQL of its triggers. Pure: no connection, no clock; `psycopg.sql` quotes every name and value.

Thresholds are compiled into functions: changing one replaces a function and takes no lock on the table.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from triggers.carry_over import carry_over
from triggers.content import content, metadata_content
from triggers.expressions import Expressions, function, quote
from triggers.identity import note_unusable
from triggers.latest import latest_functions
from triggers.metadata import metadata_fields, metadata_function, metadata_seed
from triggers.samples import samples_function
from triggers.seed import catch_up, seed
from triggers.templates import template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.settings.models import Statistics
    from core.settings.watches import Watch
    from triggers.columns import ColumnTypes

# How many statements stand behind one that is measured. Measuring takes 100 µs, which would show beside a sample's 15.
_ONE_IN, _ONE_SAMPLE_IN = 100, 1000
_TRANSITION_TABLES = {
    "INSERT": sql.SQL("REFERENCING NEW TABLE AS new_rows"),
    "UPDATE": sql.SQL("REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    "DELETE": sql.SQL("REFERENCING OLD TABLE AS old_rows"),
    "TRUNCATE": sql.SQL(""),
}


@dataclass(frozen=True)
class CompiledWatch:
    """A watch's SQL: its functions, the triggers that call them, and the first filling of its baselines.

    `content` judges what the table holds against the baselines that are there, where some of it was written unseen;
    nobody is to write meanwhile. `note` keeps what the watch is installed on, as the transaction that runs it finds it.
    `catch_up` is run where its trigger judged by itself, and rtp run does from now on; `carry_over` where there are new
    aliases.
    """

    name: str
    functions: tuple[sql.Composed, ...]
    triggers: tuple[sql.Composed, ...]
    seed: tuple[sql.Composed, ...]
    content: tuple[sql.Composed, ...]
    note: sql.Composed
    catch_up: tuple[sql.Composed, ...] = ()
    carry_over: tuple[sql.Composed, ...] = ()

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
    column_types: ColumnTypes,
    tables: Sequence[tuple[str, ...]] = (),
    unseen: Sequence[sql.Composable] = (),
    statistics: Statistics = "sampled",
    may_exchange: bool = False,
) -> CompiledWatch:
    """Compile one watch.

    `watch_id` is its key in rtp.watch, `rules` the revision of its rules; `column_types` are those of the mapped
    columns: floats, say, must reach NUMERIC through text, or PostgreSQL rounds them to 15 digits. `tables` are to get
    triggers: the watch's table and its partitions, as a write to a partition does not fire its table's. `unseen` are
    what was written to unseen, tables or queries. Both are the watch's table by default. Two rows `may_exchange` their
    keys within one statement.
    """
    triggers = _triggers(name, watch, tables or [watch.table_parts])
    unseen = unseen or [sql.Identifier(*watch.table_parts)]
    note = _note(name, watch, watch_id, column_types)
    carried_over = tuple(carry_over(watch, watch_id)) if watch.has_aliases else ()
    if not watch.has_value:
        body = metadata_function(
            name,
            watch,
            watch_id,
            column_types,
            _measuring(watch, watch_id, statistics),
            may_exchange=may_exchange,
        )
        seeds = (metadata_seed(watch, watch_id, column_types),)
        steps = metadata_content(watch, watch_id, column_types, unseen)
        functions = (body, metadata_fields(name, watch, column_types))
        return CompiledWatch(name, functions, triggers, seeds, steps, note, carry_over=carried_over)
    expressions = Expressions(watch, column_types)
    common = {
        "name": sql.SQL(name),
        "name_literal": sql.Literal(name),
        "function": function("watch", name),
        "quote": quote(watch, column_types),
        "watch": sql.SQL("{}::smallint").format(sql.Literal(watch_id)),
        "rules": sql.Literal(rules),
        "default_confidence": sql.SQL("{}::double precision").format(sql.Literal(watch.confidence)),
        "default_provenance": sql.SQL("{}::text").format(sql.Literal(watch.provenance)),
        **_measuring(watch, watch_id, statistics),
        "settings": expressions.settings,
        "note_unusable": note_unusable(name, watch, column_types, expressions.usable("r")),
    }
    own: tuple[sql.Composed, ...] = (
        (samples_function(watch, expressions, common, may_exchange=may_exchange),)
        if watch.is_sampled
        else latest_functions(watch, expressions, common, name, may_exchange=may_exchange)
    )
    table = sql.Identifier(*watch.table_parts)
    now = template("now.sql").format(
        **common | {"function": function("now", name), "sample": expressions.sample(table)}
    )
    return CompiledWatch(
        name,
        (*own, now),
        triggers,
        seed(watch, expressions, common),
        content(watch, expressions, common, unseen),
        note,
        catch_up(watch, expressions, common) if watch.is_sampled else (),
        carried_over,
    )


def trigger_name(watch_name: str, operation: str) -> str:
    """The name of one of a watch's triggers; `rtp_` marks it as ours on the user's table."""
    # The trigger with the plain name, of an older rtp, fired when the table was empty; it is to go.
    when = "before_" if operation == "TRUNCATE" else ""
    return f"rtp_{watch_name}_{when}{operation.lower()}"


def operations(watch: Watch) -> tuple[str, ...]:
    """The statements that a watch's triggers fire at. Deleting history changes nothing that was reported."""
    if watch.is_history:
        return ("INSERT", "UPDATE")
    return ("INSERT", "UPDATE", "DELETE", "TRUNCATE")


def trigger_names(name: str, watch: Watch) -> list[str]:
    """The names of a watch's triggers."""
    return [trigger_name(name, operation) for operation in operations(watch)]


def _triggers(name: str, watch: Watch, tables: Sequence[tuple[str, ...]]) -> tuple[sql.Composed, ...]:
    return tuple(
        sql.SQL(
            "CREATE OR REPLACE TRIGGER {trigger} {moment} {operation} ON {table} {transition} "
            "FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        ).format(
            trigger=sql.Identifier(trigger_name(name, operation)),
            # What a table holds must be read before it is emptied.
            moment=sql.SQL("BEFORE" if operation == "TRUNCATE" else "AFTER"),
            operation=sql.SQL(operation),
            table=sql.Identifier(*parts),
            transition=_TRANSITION_TABLES[operation],
            function=function("watch", name),
        )
        for parts in tables
        for operation in operations(watch)
    )


def noted_types(watch: Watch, column_types: ColumnTypes) -> dict[str, str]:
    """The columns that a watch reads, with their types."""
    mapped = (column for _, column in watch.columns if isinstance(column, str))
    return {column: column_types.declared(column) for column in (*mapped, *watch.watched)}


def _note(name: str, watch: Watch, watch_id: int, column_types: ColumnTypes) -> sql.Composed:
    return template("note_installed.sql").format(
        table=sql.Literal(sql.Identifier(*watch.table_parts).as_string(None)),
        triggers=sql.Literal(trigger_names(name, watch)),
        column_types=sql.Literal(json.dumps(noted_types(watch, column_types), sort_keys=True)),
        function=sql.Literal(function("watch", name).as_string(None) + "()"),
        watch=sql.Literal(watch_id),
    )


def _measuring(watch: Watch, watch_id: int, statistics: Statistics) -> Mapping[str, sql.Composable]:
    """How a trigger measures itself: when its clock starts (null: this statement is not measured), and its end."""
    if statistics == "off":
        return {"started": sql.SQL("NULL"), "measure": sql.SQL("")}
    weight = 1
    clock: sql.Composable = sql.SQL("clock_timestamp()")
    if statistics == "sampled":
        weight = _ONE_SAMPLE_IN if watch.is_sampled else _ONE_IN
        share = sql.Literal(str(1 / weight))
        clock = sql.SQL("CASE WHEN random() < {}::double precision THEN {} END").format(share, clock)
    end = template("measure.sql").format(watch=sql.Literal(watch_id), weight=sql.Literal(weight))
    return {"started": clock, "measure": end}
