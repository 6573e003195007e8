"""From a watch to the SQL of its triggers. Pure: no connection, no clock; `psycopg.sql` quotes every name and value.

Thresholds are compiled into the function's body: changing one replaces a function and takes no lock on the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from psycopg import sql

from core.watches import Constant, PriceColumns, ProtocolWatch, TvlColumns, Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from core.watches import Column, ProtocolColumns

_FLOAT_TYPES = frozenset({"real", "double precision"})
_WITHOUT_EQUALITY = frozenset({"json", "xml", "point", "polygon"})
_VALUE_OPERATIONS = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
_PROTOCOL_OPERATIONS = ("INSERT", "UPDATE", "DELETE")
_TRANSITION_TABLES = {
    "INSERT": "REFERENCING NEW TABLE AS new_rows",
    "UPDATE": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "REFERENCING OLD TABLE AS old_rows",
    "TRUNCATE": "",
}


@dataclass(frozen=True)
class CompiledWatch:
    """A watch's SQL: the trigger function, the triggers that call it, and the first filling of its baselines."""

    name: str
    function: sql.Composed
    triggers: tuple[sql.Composed, ...]
    trigger_names: tuple[str, ...]
    seed: sql.Composed | None


def compile_watch(name: str, watch: Watch, *, watch_id: int, column_types: Mapping[str, str]) -> CompiledWatch:
    """Compile one watch.

    `watch_id` is its key in rtp.watch; `column_types` gives the SQL type of each mapped column, as format_type()
    prints it: floats must reach NUMERIC through text, or PostgreSQL rounds them to 15 digits.
    """
    if isinstance(watch, ProtocolWatch):
        return CompiledWatch(
            name,
            _protocol_function(name, watch, watch_id, column_types),
            _triggers(name, watch, _PROTOCOL_OPERATIONS),
            tuple(trigger_name(name, operation) for operation in _PROTOCOL_OPERATIONS),
            seed=None,
        )
    sample = _value_sample(watch, column_types)
    return CompiledWatch(
        name,
        _value_function(name, watch, watch_id, sample),
        _triggers(name, watch, _VALUE_OPERATIONS),
        tuple(trigger_name(name, operation) for operation in _VALUE_OPERATIONS),
        seed=_template("seed_value.sql").format(
            watch=sql.Literal(watch_id), sample=sample(sql.Identifier(*watch.table_parts))
        ),
    )


def function_name(watch_name: str) -> sql.Identifier:
    """The name of a watch's trigger function."""
    return sql.Identifier("rtp", f"watch_{watch_name}")


def trigger_name(watch_name: str, operation: str) -> str:
    """The name of one of a watch's triggers; `rtp_` marks it as ours on the user's table."""
    return f"rtp_{watch_name}_{operation.lower()}"


@cache
def _template(filename: str) -> sql.SQL:
    # The files are part of the package, not input: this is where they are vouched for as literal.
    text = files("triggers").joinpath("sql", filename).read_text(encoding="utf-8")
    return sql.SQL(text.rstrip("\n"))


def _triggers(name: str, watch: Watch, operations: Iterable[str]) -> tuple[sql.Composed, ...]:
    return tuple(
        sql.SQL(
            "CREATE OR REPLACE TRIGGER {trigger} AFTER {operation} ON {table} {transition} "
            "FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        ).format(
            trigger=sql.Identifier(trigger_name(name, operation)),
            operation=sql.SQL(operation),
            table=sql.Identifier(*watch.table_parts),
            transition=sql.SQL(_TRANSITION_TABLES[operation]),
            function=function_name(name),
        )
        for operation in operations
    )


def _column(row: str, column: Column) -> sql.Composable:
    if isinstance(column, Constant):
        return sql.SQL("{}::text").format(sql.Literal(column.const))
    return sql.SQL("{}::text").format(sql.Identifier(row, column))


def _numeric(row: str, column: str, column_types: Mapping[str, str]) -> sql.Composable:
    through_text = column_types.get(column) in _FLOAT_TYPES
    cast_ = sql.SQL("{}::text::numeric") if through_text else sql.SQL("{}::numeric")
    return cast_.format(sql.Identifier(row, column))


def _entity(columns: TvlColumns | PriceColumns | ProtocolColumns) -> Column:
    return columns.token if isinstance(columns, PriceColumns) else columns.protocol


def _about(row: str, watch: Watch) -> dict[str, sql.Composable]:
    """The expressions that every kind has: who the row is about, how far to trust it, whose it is, and when."""
    columns = watch.columns
    confidence: sql.Composable = sql.Literal(watch.confidence)
    if columns.confidence:
        confidence = sql.SQL("rtp.sane_confidence({}::double precision, {})").format(
            sql.Identifier(row, columns.confidence), sql.Literal(watch.confidence)
        )
    provenance: sql.Composable = sql.SQL("{}::text").format(sql.Literal(watch.provenance))
    if columns.provenance:
        provenance = sql.SQL("coalesce({}::text, {})").format(
            sql.Identifier(row, columns.provenance), sql.Literal(watch.provenance)
        )
    changed_at: sql.Composable = sql.SQL("statement_timestamp()")
    if columns.changed_at:
        changed_at = sql.SQL("rtp.sane_time({}::timestamptz)").format(sql.Identifier(row, columns.changed_at))
    return {
        "chain": _column(row, columns.chain),
        "entity": _column(row, _entity(columns)),
        "confidence": confidence,
        "provenance": provenance,
        "changed_at": changed_at,
    }


def _value_sample(watch: Watch, column_types: Mapping[str, str]) -> _Sample:
    assert not isinstance(watch, ProtocolWatch)
    expressions = _about("r", watch) | {"value": _numeric("r", watch.columns.value, column_types)}
    return _Sample(expressions)


@dataclass(frozen=True)
class _Sample:
    """The rows of a relation, as the YAML maps them: (chain, entity, confidence, provenance, changed_at, value)."""

    expressions: Mapping[str, sql.Composable]

    def __call__(self, relation: sql.Composable) -> sql.Composed:
        selected = sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(expression, sql.Identifier(name))
            for name, expression in self.expressions.items()
        )
        return sql.SQL("SELECT {} FROM {} AS r").format(selected, relation)


def _quote(*texts: str) -> sql.SQL:
    """A dollar quote that no name in the function's body can end."""
    tag = "rtp"
    while any(f"${tag}$" in text for text in texts):
        tag += "_"
    return sql.SQL(f"${tag}$")


def _names_in(watch: Watch) -> list[str]:
    mapped = [c.const if isinstance(c, Constant) else c for _, c in watch.columns if c is not None]
    watched = list(watch.watched) if isinstance(watch, ProtocolWatch) else []
    return [*watch.table_parts, *mapped, *watched, watch.provenance or ""]


def _value_function(name: str, watch: Watch, watch_id: int, sample: _Sample) -> sql.Composed:
    assert not isinstance(watch, ProtocolWatch)
    new_sample, old_sample = sample(sql.SQL("new_rows")), sample(sql.SQL("old_rows"))
    common = {
        "watch": sql.Literal(watch_id),
        "default_confidence": sql.Literal(watch.confidence),
        "default_provenance": sql.SQL("{}::text").format(sql.Literal(watch.provenance)),
    }

    def judge(reported: str) -> sql.Composed:
        return _template("judge_value.sql").format(
            **common,
            new_sample=new_sample,
            percent=sql.SQL("{}::numeric").format(sql.Literal(watch.percent)),
            min_change=sql.SQL("{}::numeric").format(sql.Literal(watch.min_change)),
            reported=sql.SQL(reported),
        )

    def report_deleted(is_gone: sql.Composable) -> sql.Composed:
        return _template("report_deleted.sql").format(**common, is_gone=is_gone)

    was_there = sql.SQL("(b.chain, b.entity) IN (SELECT o.chain, o.entity FROM ({}) AS o)").format(old_sample)
    is_not_there_now = sql.SQL(
        "{} AND (b.chain, b.entity) NOT IN (SELECT n.chain, n.entity FROM ({}) AS n "
        "WHERE n.chain IS NOT NULL AND n.entity IS NOT NULL)"
    ).format(was_there, new_sample)
    return _template("watch_value.sql").format(
        **common,
        name=sql.SQL(name),
        function=function_name(name),
        name_literal=sql.Literal(name),
        quote=_quote(*_names_in(watch)),
        new_sample=new_sample,
        old_sample=old_sample,
        judge_first=judge("reported"),
        judge_again=judge("again"),
        report_all_deleted=report_deleted(sql.SQL("true")),
        report_deleted=report_deleted(was_there),
        report_vanished=report_deleted(is_not_there_now),
        emit_first=sql.Literal(watch.emit_first),
    )


def _protocol_function(name: str, watch: ProtocolWatch, watch_id: int, column_types: Mapping[str, str]) -> sql.Composed:
    append = _template("append_step.sql").format(watch=sql.Literal(watch_id))
    return _template("watch_protocol.sql").format(
        name=sql.SQL(name),
        function=function_name(name),
        name_literal=sql.Literal(name),
        quote=_quote(*_names_in(watch)),
        append=append,
        update_step=_protocol_update(watch, column_types),
        insert_step=_protocol_step("added", "new_rows", watch, previous=None, current="r"),
        delete_step=_protocol_step("removed", "old_rows", watch, previous="r", current=None),
    )


def _fields(watch: ProtocolWatch, *, previous: str | None, current: str | None) -> sql.Composed:
    """The changed fields as one jsonb object; a side that does not exist counts as null."""

    def value(row: str | None, column: str) -> sql.Composable:
        return sql.SQL("to_jsonb({})").format(sql.Identifier(row, column)) if row else sql.SQL("NULL::jsonb")

    rows = sql.SQL(", ").join(
        sql.SQL("({}, {}, {})").format(sql.Literal(column), value(previous, column), value(current, column))
        for column in watch.watched
    )
    return sql.SQL(
        "(SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) "
        "FROM (VALUES {}) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current)"
    ).format(rows)


def _protocol_step(
    reason: str, relation: str, watch: ProtocolWatch, *, previous: str | None, current: str | None
) -> sql.Composed:
    expressions = _about("r", watch) | {
        "reason": sql.SQL("{}::text").format(sql.Literal(reason)),
        "fields": _fields(watch, previous=previous, current=current),
    }
    return _Sample(expressions)(sql.SQL(relation))


def _protocol_update(watch: ProtocolWatch, column_types: Mapping[str, str]) -> sql.Composed:
    def compared(row: str, column: str) -> sql.Composable:
        suffix = "::text" if column_types.get(column) in _WITHOUT_EQUALITY else ""
        return sql.SQL("{}{}").format(sql.Identifier(row, column), sql.SQL(suffix))

    differs = sql.SQL(" OR ").join(
        sql.SQL("{} IS DISTINCT FROM {}").format(compared("o", column), compared("r", column))
        for column in watch.watched
    )
    old, new = _about("o", watch), _about("r", watch)
    same_entity = sql.SQL("{} = {} AND {} = {}").format(old["chain"], new["chain"], old["entity"], new["entity"])
    return _template("protocol_update.sql").format(
        changed=_Sample(new | {"reason": sql.Literal("changed"), "fields": _fields(watch, previous="o", current="r")})(
            sql.SQL("new_rows")
        ),
        same_entity=same_entity,
        differs=differs,
        added=_protocol_step("added", "new_rows", watch, previous=None, current="r"),
        removed=_protocol_step("removed", "old_rows", watch, previous="r", current=None),
    )
