"""What a watch takes for granted, and what its rules lead to: no fault, and yet to be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtp_client.moment import ZONELESS_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings.models import Settings
    from core.settings.watches import Watch
    from triggers.validator import WatchedTables


def find_notes(settings: Settings, tables: WatchedTables) -> Iterator[str]:
    """A line for each column of times without a zone: in which one they are read; and for pegs that may flap."""
    for name, watch in settings.watches.items():
        column, table = watch.columns.changed_at, tables.get(watch.table_parts)
        if column is not None and table is not None and table.column_types[column] in ZONELESS_TYPES:
            advice = "" if "timezone" in watch.model_fields_set else ". Where its writers mean another one: `timezone:`"
            where = f"watches.{name}.columns.changed_at: column {column} of {watch.table}"
            yield f"{where} has no time zone, and is read as {watch.timezone}{advice}"
        if note := note_of_pegs(name, watch):
            yield note


def note_of_pegs(name: str, watch: Watch) -> str:
    """Of pegs without a time to stay back; empty where there are none."""
    if not watch.has_value:
        return ""
    pegs = [(place, getattr(scope, "peg", None)) for place, scope in enumerate(watch.rule_sources, start=-1)]
    restless = [(place, peg) for place, peg in pegs if peg is not None and peg.recover_for is None]
    if not restless:
        return ""
    place, peg = restless[0]
    where = f"watches.{name}.{'peg' if place < 0 else f'overrides[{place}].peg'}"
    more = f" (and {len(restless) - 1:,} more)" if len(restless) > 1 else ""
    return (
        f"{where}{more}: a price that jumps round {peg.deviation_bps} basis points is told of each time it goes and"
        " comes. `recover_for: 30m` makes one depeg of that"
    )
