"""The trigger of a watch of metadata: entities added, changed field by field, and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from triggers.expressions import about, function, named, quote
from triggers.identity import is_of, named_row, note_unusable, same_entity, who
from triggers.renames import is_lost, is_renaming, pairs, rows_and_what_they_were
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
    *,
    may_exchange: bool,
) -> sql.Composed:
    """Compile the trigger function; `measuring` is how it times itself, two rows `may_exchange` their keys at once."""
    id_literal = sql.SQL("{}::smallint").format(sql.Literal(watch_id))
    parts = {**about("r", watch, types), "watch": id_literal, "fields": _fields_now(watch, types)}
    is_named = named_row("r", watch, types)
    lost = sql.SQL("{} AND NOT EXISTS (SELECT FROM {} AS n WHERE {})")
    without_new = sql.SQL("{} AND {}").format(is_named, is_lost(watch, types))
    without_old = lost.format(is_named, sql.SQL("old_rows"), same_entity(watch, types, "n", "r"))
    changed = template("update_steps.sql").format(
        changed=_changed("r", watch, types),
        rows=sql.SQL("new_rows AS r JOIN old_rows AS o ON {}").format(same_entity(watch, types, "o", "r")),
        differs=_differs("r", watch, types),
    )
    changed_or_renamed = template("update_steps.sql").format(
        changed=_changed("n", watch, types), rows=rows_and_what_they_were(), differs=_differs("n", watch, types)
    )

    def text(filename: str, which: sql.Composable) -> sql.Composed:
        return as_text(template(filename).format(**parts, is_named=which))

    def removed(which: sql.Composable) -> sql.Composed:
        mark, append = (text(filename, which) for filename in ("mark_removed.sql", "append_removed.sql"))
        return template("removed.sql").format(mark=mark, append=append)

    def added(which: sql.Composable) -> sql.Composed:
        texts = {what: text(f"{what}_added.sql", which) for what in ("lock", "report", "append")}
        return template("added.sql").format(**texts)

    def report(into: str, step: sql.Composed = changed) -> sql.Composed:
        return template("report_steps.sql").format(step=step, watch=id_literal, into=sql.SQL(into))

    renamed = {"watch": id_literal, "rules": sql.SQL("0")}
    fields_before = {"fields": _fields_now(watch, types, "o")}

    return template("watch_metadata.sql").format(
        name=sql.SQL(name),
        name_literal=sql.Literal(name),
        function=function("watch", name),
        quote=quote(watch, types),
        **measuring,
        settings=_settings(watch, types),
        table=sql.Literal(sql.Identifier(*watch.table_parts).as_string(None)),
        updated=report("INTO reported_rows, left_rows"),
        updated_text=as_text(report("")),
        is_renaming=is_renaming(watch, types, may_exchange=may_exchange),
        rename=as_text(template("rename.sql").format(**renamed, pairs=pairs(watch, types))),
        with_pairs=as_text(sql.SQL("WITH pair AS MATERIALIZED (\n{}\n)\n").format(pairs(watch, types))),
        append_renamed=as_text(
            template("append_renamed.sql").format(watch=id_literal, pairs=pairs(watch, types, fields_before))
        ),
        changed_or_renamed=as_text(report("", changed_or_renamed)),
        new_entities=_entities("new_rows", watch, types),
        old_entities=_entities("old_rows", watch, types),
        lost=removed(without_new),
        found=added(without_old),
        added=added(is_named),
        removed=removed(is_named),
        note_unusable=note_unusable(name, watch, types, is_named),
    )


def metadata_fields(name: str, watch: MetadataWatch, types: ColumnTypes) -> sql.Composed:
    """What the table holds of some entities now."""
    told = about("r", watch, types)
    parts = sql.SQL("e.chain, e.entity, {fields}, {confidence}, {provenance}, {changed_at}")
    return template("now_many.sql").format(
        name=sql.SQL(name),
        function=function("fields", name),
        what=sql.SQL("fields jsonb"),
        settings=_settings(watch, types),
        quote=quote(watch, types),
        parts=parts.format(fields=_fields_now(watch, types), **told),
        table=sql.Identifier(*watch.table_parts),
        is_of=is_of(watch, types),
    )


def metadata_seed(watch: MetadataWatch, watch_id: int, types: ColumnTypes) -> sql.Composed:
    """The entities that are there at installation, so that a TRUNCATE later knows whom it removes."""
    return template("seed_metadata.sql").format(
        **who("r", watch, types), watch=sql.Literal(watch_id), table=sql.Identifier(*watch.table_parts)
    )


def _settings(watch: MetadataWatch, types: ColumnTypes) -> sql.Composable:
    columns = [column for _, column in watch.columns if isinstance(column, str)]
    return types.settings([*columns, *watch.watched], columns, always=["extra_float_digits"])


def _differs(now: str, watch: MetadataWatch, types: ColumnTypes) -> sql.Composed:
    def compared(row: str, column: str) -> sql.Composable:
        return types.text(row, column) if _has_no_equality(types, column) else types.read(row, column)

    return sql.SQL(" OR ").join(
        sql.SQL("{} IS DISTINCT FROM {}").format(compared("o", column), compared(now, column))
        for column in watch.watched
    )


def _has_no_equality(types: ColumnTypes, column: str) -> bool:
    return column in types.own or types[column] in _WITHOUT_EQUALITY


def _fields_now(watch: MetadataWatch, types: ColumnTypes, row: str = "r") -> sql.Composed:
    """The watched fields of a row as one jsonb object. Not by jsonb_build_object(), which takes no more than 50."""
    rows = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(sql.Literal(column), types.json(row, column)) for column in watch.watched
    )
    return sql.SQL("(SELECT jsonb_object_agg(f.field, f.value) FROM (VALUES {}) AS f (field, value))").format(rows)


def _changed(now: str, watch: MetadataWatch, types: ColumnTypes) -> sql.Composed:
    """What new rows tell, with the changed fields as one jsonb object."""
    rows = sql.SQL(", ").join(
        sql.SQL("({}, {}, {})").format(sql.Literal(column), types.json("o", column), types.json(now, column))
        for column in watch.watched
    )
    fields = sql.SQL(
        "(SELECT jsonb_object_agg(f.field, jsonb_build_object('previous', f.previous, 'current', f.current)) "
        "FROM (VALUES {}) AS f (field, previous, current) WHERE f.previous IS DISTINCT FROM f.current)"
    ).format(rows)
    return named({**about(now, watch, types), "fields": fields})


def _entities(relation: str, watch: MetadataWatch, types: ColumnTypes) -> sql.Composed:
    names = who("r", watch, types)
    return sql.SQL("SELECT {}, {} FROM {} AS r").format(names["chain"], names["entity"], sql.SQL(relation))
