"""Which column of a table is the time of a row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.discovery.numbers import numbers
from core.discovery.words import vocabulary, words_of

if TYPE_CHECKING:
    from core.discovery.picture import FoundTable

_TIME = vocabulary(
    "timestamp ts time updated modified at date datetime day hour sampled observed recorded when",
)
_MADE = frozenset(
    vocabulary("created inserted started deleted removed launched listed ingested expires expiry start end"),
)
_EARLIEST = datetime(2009, 1, 3, tzinfo=UTC).timestamp()
_LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


def time_column(table: FoundTable, *, is_history: bool) -> str | None:
    """Of a history the time in its key; else the one that its name says most of. None where there is none."""
    times = [column.name for column in table.columns if column.is_readable and column.is_time]
    keyed = [name for name in times if any(name in key for key in table.unique_keys)]
    if is_history and keyed:
        return keyed[0]
    found = min(times, key=_rank, default=None)
    # When a row was made says nothing about a value that is updated in place.
    return None if found is None or (_rank(found)[0] and not is_history) else found


def epochs(table: FoundTable) -> list[tuple[str, str]]:
    """The columns of whole numbers that hold times, each with its unit, the likeliest time of a sample first."""
    found = [(column.name, unit) for column in table.columns if (unit := epoch_unit(table, column.name))]
    return sorted(found, key=lambda one: _rank(one[0]))


def epoch_unit(table: FoundTable, column: str) -> str:
    """`seconds` or `milliseconds` where a column of whole numbers holds times since 1970; else nothing."""
    found = table.by_name.get(column)
    is_number = found is not None and (found.is_whole or found.type == "numeric")
    if not is_number or not set(words_of(column)) & {*_TIME, *_MADE}:
        return ""
    values = numbers(table.values(column))
    for unit, scale in (("seconds", 1), ("milliseconds", 1000)):
        if values and all(_EARLIEST * scale <= value <= _LATEST * scale for value in values):
            return unit
    return ""


def _rank(name: str) -> tuple[bool, int]:
    words = words_of(name)
    is_of_making = bool(set(words) & _MADE)
    return is_of_making, min((_TIME.index(word) for word in words if word in _TIME), default=len(_TIME))
