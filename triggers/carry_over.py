"""What is remembered under an alias becomes what is remembered of the name that it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from core.settings.aliases import written_out
from rtp_client.alias_sql import called_now_sql
from triggers.templates import template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings.watches import Watch

_OF_ENTITIES = ("sample", "set_aside", "quarantine")


def carry_over(watch: Watch, watch_id: int) -> Iterator[sql.Composed]:
    """The statements that do it. Nobody may write to the table meanwhile; run again, they find nothing more to do."""
    parts = {
        "watch": sql.SQL("{}::smallint").format(sql.Literal(watch_id)),
        "chain": called_now_sql(sql.Identifier("b", "chain"), written_out(watch.chain_aliases)),
        "entity": called_now_sql(sql.Identifier("b", "entity"), written_out(watch.aliases)),
    }
    yield template("carry_over.sql").format(
        **parts,
        confidence=sql.SQL("{}::double precision").format(sql.Literal(watch.confidence)),
        provenance=sql.SQL("{}::text").format(sql.Literal(watch.provenance)),
    )
    yield template("rename_looks.sql").format(**parts)
    for table in _OF_ENTITIES:
        yield template("rename_waiting.sql").format(**parts, table=sql.Identifier("rtp", table))
