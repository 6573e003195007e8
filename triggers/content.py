"""What a table holds, judged against the baselines that are there: some of it was written where no trigger saw it.

To be run while nobody can write to the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from triggers.identity import is_gone, named_row, who
from triggers.lookups import all_at_once
from triggers.samples import sample_columns
from triggers.seed import note_ahead
from triggers.templates import template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.settings.watches import MetadataWatch, ValueWatch, Watch
    from triggers.columns import ColumnTypes
    from triggers.expressions import Expressions


def content(
    watch: ValueWatch,
    expressions: Expressions,
    common: Mapping[str, sql.Composable],
    unseen: Sequence[sql.Composable],
) -> tuple[sql.Composed, ...]:
    """Judge it at once, or append to the log of samples what is news; `unseen` are the watch's table, or partitions."""
    of_table = _appended if watch.is_sampled else _judged
    written = [one for table in unseen for one in of_table(watch, expressions, common, table)]
    return (*_gone(watch, expressions, common), *written)


def _gone(
    watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable]
) -> tuple[sql.Composed, ...]:
    if watch.is_history:
        return ()
    if watch.is_sampled:
        return (template("append_gone.sql").format(**common, is_gone=is_gone(watch, expressions.types, "e")),)
    return (look_at_gone(watch, expressions.types, common["watch"]),)


def _judged(
    watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable], table: sql.Composable
) -> tuple[sql.Composed, ...]:
    rows = {**common, "new_sample": expressions.sample(table, which="timely", is_timed=False)}
    lookup = all_at_once(common["watch"], sql.Identifier("n", "chain"), sql.Identifier("n", "entity"))
    return (
        template("judge_latest.sql").format(**rows, lookup=lookup, into=sql.SQL("")),
        template("first_sightings.sql").format(**rows),
        *((note_ahead(expressions, table, common),) if expressions.may_be_ahead else ()),
    )


def look_at_gone(watch: Watch, types: ColumnTypes, watch_id: sql.Composable) -> sql.Composed:
    """Have rtp run look at the entities that the table has no more."""
    gone = sql.SQL("SELECT b.chain, b.entity FROM rtp.baseline AS b WHERE b.watch = {} AND {}").format(
        watch_id, is_gone(watch, types, "b")
    )
    return template("look_at.sql").format(watch=watch_id, entities=gone)


def metadata_content(
    watch: MetadataWatch, watch_id: int, types: ColumnTypes, unseen: Sequence[sql.Composable]
) -> tuple[sql.Composed, ...]:
    """Have rtp run look at the entities that came and went unseen; nobody knows the fields that others had."""
    id_literal = sql.SQL("{}::smallint").format(sql.Literal(watch_id))
    is_new = sql.SQL(
        "SELECT {chain}, {entity} FROM {table} AS r WHERE {is_named} AND NOT EXISTS ("
        "SELECT FROM rtp.baseline AS b WHERE b.watch = {watch} AND b.chain = {chain} AND b.entity = {entity})"
    )
    parts = {**who("r", watch, types), "is_named": named_row("r", watch, types), "watch": id_literal}
    new = [is_new.format(**parts, table=table) for table in unseen]
    looks = (template("look_at.sql").format(watch=id_literal, entities=entities) for entities in new)
    return (look_at_gone(watch, types, id_literal), *looks)


def _appended(
    watch: ValueWatch, expressions: Expressions, common: Mapping[str, sql.Composable], table: sql.Composable
) -> tuple[sql.Composed, ...]:
    columns = sample_columns(watch, expressions, common)
    written = template("content_history.sql" if watch.is_history else "content_samples.sql").format(
        **{**common, **columns},
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        samples=sql.SQL(", ").join(columns.values()),
        table=table,
        usable=expressions.usable("r"),
    )
    return (written,)
