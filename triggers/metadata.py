"""The trigger of a watch of metadata: entities added, changed field by field, and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from triggers.expressions import about, function, is_gone, quote, same_entity, who
from triggers.lookups import one_by_one
from triggers.templates import as_text, template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.watches import MetadataWatch
    from triggers.columns import ColumnTypes

_NEW = sql.SQL("new_rows")
_WITHOUT_EQUALITY = frozenset({"json", "xml", "point", "polygon"})


def metadata_function(
    name: str,
    watch: MetadataWatch,
    watch_id: int,
    types: ColumnTypes,
    measuring: Mapping[str, sql.Composable],
) -> sql.Composed:
    """Compile the trigger function; `measuring` is how it times itself."""
    id_literal = sql.SQL("{}::smallint").format(sql.Literal(watch_id))
    names = who("r", watch, types)
    is_named = sql.SQL("rtp.is_name({}) AND rtp.is_name({})").format(names["chain"], names["entity"])
    inserted = _step("added", _NEW, watch, types, previous=None, current="r")
    deleted = _step("removed", sql.SQL("old_rows"), watch, types, previous="r", current=None)
    updated = template("update_steps.sql").format(
        changed=_step("changed", _NEW, watch, types, previous="o", current="r"),
        added=inserted,
        removed=deleted,
        same_entity=same_entity(watch, types, "o", "r"),
        differs=_differs(watch, types),
    )
    truncated = _gone_steps(watch, id_literal, types)

    def report(steps: sql.Composable, into: str = "INTO reported_rows") -> sql.Composed:
        return _report(steps, id_literal, into)

    return template("watch_metadata.sql").format(
        name=sql.SQL(name),
        name_literal=sql.Literal(name),
        function=function("watch", name),
        quote=quote(watch, types),
        **measuring,
        settings=_settings(watch, types),
        inserted=report(inserted),
        updated=report(updated),
        updated_text=as_text(report(updated, into="")),
        deleted=report(deleted),
        truncated_text=as_text(report(truncated, into="")),
        note_unusable=template("note_unusable.sql").format(name_literal=sql.Literal(name), usable=is_named),
    )


def metadata_content(watch: MetadataWatch, watch_id: int, types: ColumnTypes) -> tuple[sql.Composed, ...]:
    """Report which entities came and went unseen (nobody knows the fields that others had); nobody writes meanwhile."""
    id_literal = sql.SQL("{}::smallint").format(sql.Literal(watch_id))
    added = template("added_steps.sql").format(
        **who("r", watch, types),
        added=_step("added", sql.Identifier(*watch.table_parts), watch, types, previous=None, current="r"),
        watch=id_literal,
    )
    gone = _gone_steps(watch, id_literal, types)
    return (_report(added, id_literal, into=""), _report(gone, id_literal, into=""))


def _gone_steps(watch: MetadataWatch, watch_id: sql.Composable, types: ColumnTypes) -> sql.Composed:
    return template("truncate_steps.sql").format(
        watch=watch_id,
        is_gone=is_gone(watch, types, "b"),
        default_confidence=sql.SQL("{}::double precision").format(sql.Literal(watch.confidence)),
        default_provenance=sql.SQL("{}::text").format(sql.Literal(watch.provenance)),
    )


def _report(steps: sql.Composable, watch_id: sql.Composable, into: str) -> sql.Composed:
    lookup = one_by_one(watch_id, sql.Identifier("n", "chain"), sql.Identifier("n", "entity"))
    return template("report_steps.sql").format(step=steps, watch=watch_id, lookup=lookup, into=sql.SQL(into))


def metadata_seed(watch: MetadataWatch, watch_id: int, types: ColumnTypes) -> sql.Composed:
    """The entities that are there at installation, so that a TRUNCATE later knows whom it removes."""
    return template("seed_metadata.sql").format(
        **who("r", watch, types), watch=sql.Literal(watch_id), table=sql.Identifier(*watch.table_parts)
    )


def _settings(watch: MetadataWatch, types: ColumnTypes) -> sql.Composable:
    columns = [column for _, column in watch.columns if isinstance(column, str)]
    return types.settings([*columns, *watch.watched], columns, always=["extra_float_digits"])


def _differs(watch: MetadataWatch, types: ColumnTypes) -> sql.Composed:
    def compared(row: str, column: str) -> sql.Composable:
        return types.text(row, column) if _has_no_equality(types, column) else types.read(row, column)

    return sql.SQL(" OR ").join(
        sql.SQL("{} IS DISTINCT FROM {}").format(compared("o", column), compared("r", column))
        for column in watch.watched
    )


def _has_no_equality(types: ColumnTypes, column: str) -> bool:
    return column in types.own or types[column] in _WITHOUT_EQUALITY


def _fields(watch: MetadataWatch, types: ColumnTypes, *, previous: str | None, current: str | None) -> sql.Composed:
    """The changed fields as one jsonb object; a side that does not exist counts as null."""

    def value(row: str | None, column: str) -> sql.Composable:
        return types.json(row, column) if row else sql.SQL("NULL::jsonb")

    rows = sql.SQL(", ").join(
        sql.SQL("({}, {}, {})").format(sql.Literal(column), value(previous, column), value(current, column))
        for column in watch.watched
    )
    return sql.SQL(
        "(SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) "
        "FROM (VALUES {}) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current)"
    ).format(rows)


def _step(
    reason: str,
    relation: sql.Composable,
    watch: MetadataWatch,
    types: ColumnTypes,
    *,
    previous: str | None,
    current: str | None,
) -> sql.Composed:
    expressions = about("r", watch, types) | {
        "reason": sql.SQL("{}::text").format(sql.Literal(reason)),
        "fields": _fields(watch, types, previous=previous, current=current),
    }
    selected = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(expression, sql.Identifier(name)) for name, expression in expressions.items()
    )
    return sql.SQL("SELECT {} FROM {} AS r").format(selected, relation)
