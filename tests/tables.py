"""Tables as a look at a database would picture them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.discovery.picture import FoundColumn, FoundTable, Picture
from core.discovery.proposal import Proposals, WatchProposal
from core.discovery.propose import propose

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
_TYPES = {"ts": "timestamp with time zone", "zoneless": "timestamp without time zone", "float": "double precision"}


def table(
    name: str,
    columns: str,
    *keys: str,
    rows: Sequence[tuple[object, ...]] = (),
    **facts: Any,
) -> FoundTable:
    """A table of `columns`, such as `slug text, tvl numeric`, with these unique keys and rows."""
    schema, _, own = name.rpartition(".")
    named = [part.split() for part in columns.split(",")]
    sample = tuple(
        {column: None if value is None else str(value) for (column, _), value in zip(named, row, strict=True)}
        for row in rows
    )
    return FoundTable(
        schema=schema or "public",
        name=own,
        columns=tuple(FoundColumn(column, _TYPES.get(type_, type_), type_ == "text") for column, type_ in named),
        unique_keys=frozenset(frozenset(key.split()) for key in keys),
        sample=sample,
        **facts,
    )


def proposals(*tables: FoundTable, zone: str = "UTC") -> Proposals:
    """What is proposed for a database of these tables."""
    return propose(Picture("defi", "rtp_owner", tables, NOW, zone))


def proposal(one: FoundTable, kind: str | None = None, *, zone: str = "UTC") -> WatchProposal:
    """The only watch that is proposed for a table, or the one of a kind."""
    [found] = [watch for watch in proposals(one, zone=zone).watches if kind in (None, watch.watch["kind"])]
    return found
