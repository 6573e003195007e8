"""Rows that have got another key in an UPDATE: each with what it was called before.

PostgreSQL appends a row's old and new version to the transition tables in the same breath, also where the row goes to
another partition. So the rows at the same place are one row. Where a trigger of somebody else's has dropped one on its
way, there are fewer new rows than old ones, and nobody knows which row is which: then none counts as renamed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from triggers.expressions import about, named
from triggers.identity import named_row, who
from triggers.templates import template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.watches import Watch
    from triggers.columns import ColumnTypes

_PLACE = sql.Identifier("rtp place")


def is_renaming(watch: Watch, types: ColumnTypes, *, may_exchange: bool) -> sql.Composed:
    """Whether an UPDATE has renamed any row, as a condition.

    Only where two rows `may_exchange` their keys within one statement, each row is compared with what it was.
    """
    old, new = (who(row, watch, types).values() for row in ("o", "n"))
    if may_exchange:
        differs = _differs(watch, types)
        return sql.SQL("EXISTS (SELECT FROM {} AS o FULL JOIN {} AS n USING ({}) WHERE {})").format(
            _numbered("old_rows"), _numbered("new_rows"), _PLACE, differs
        )
    return sql.SQL("EXISTS (SELECT {}, {} FROM old_rows AS o EXCEPT SELECT {}, {} FROM new_rows AS n)").format(
        *old, *new
    )


def pairs(watch: Watch, types: ColumnTypes, more: Mapping[str, sql.Composable] | None = None) -> sql.Composed:
    """The renamed rows: both names, and what the row says of itself now; `more` are columns of the old row `o`."""
    former = who("o", watch, types)
    columns = {
        "former_chain": former["chain"],
        "former_entity": former["entity"],
        **about("n", watch, types),
        **(more or {}),
    }
    return template("pairs.sql").format(
        columns=named(columns),
        rows=rows_and_what_they_were(),
        are_named=sql.SQL("{} AND {}").format(named_row("o", watch, types), named_row("n", watch, types)),
        differs=_differs(watch, types),
    )


def is_lost(watch: Watch, types: ColumnTypes) -> sql.Composed:
    """Whether an old row `r` has a key that no row has any more, and is none of `pair`: it is not called otherwise."""
    was, now = who("r", watch, types), who("n", watch, types)
    return sql.SQL(
        # In one, which is hashed: of what is left of two nobody knows how much it is.
        "NOT EXISTS (SELECT FROM (SELECT {}, {} FROM new_rows AS n"
        " UNION ALL SELECT former_chain, former_entity FROM pair) AS k (chain, entity)"
        " WHERE k.chain = {} AND k.entity = {})"
    ).format(now["chain"], now["entity"], was["chain"], was["entity"])


def rows_and_what_they_were() -> sql.Composed:
    """Each row of an UPDATE, `n`, with what it was, `o`."""
    return sql.SQL("{} AS o JOIN {} AS n USING ({})").format(_numbered("old_rows"), _numbered("new_rows"), _PLACE)


def _numbered(relation: str) -> sql.Composed:
    return sql.SQL("(SELECT row_number() OVER () AS {}, t.* FROM {} AS t)").format(_PLACE, sql.SQL(relation))


def _differs(watch: Watch, types: ColumnTypes) -> sql.Composed:
    old, new = (who(row, watch, types).values() for row in ("o", "n"))
    return sql.SQL("({}, {}) IS DISTINCT FROM ({}, {})").format(*old, *new)
