"""What names the entity of a row: found from the unique keys of a table, else from the names of its columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.discovery.times import epoch_unit
from core.discovery.words import vocabulary, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.discovery.picture import FoundColumn, FoundTable

# What may name an entity, whatever is measured of it: behind the measure's own words.
_ENTITY = vocabulary(
    "protocol project dapp slug pool market vault reserve token coin asset symbol ticker pair feed instrument"
    " stablecoin contract address key code name",
)
_NUMBERING = frozenset(vocabulary("round block seq sequence nonce slot epoch height version index log"))
_ID = frozenset(vocabulary("id uuid pk uid guid rowid"))
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_UNKNOWN = 1000


@dataclass(frozen=True)
class Naming:
    """The column that names the entity, and `grouping`, one that stands where the chain would, such as an exchange.

    `is_key` says that they and the chain are a unique key, and `is_timed_key` that one numbers the rows of an entity.
    `others` are further columns without which the key names nobody.
    """

    entity: str
    grouping: str | None = None
    is_key: bool = False
    is_timed_key: bool = False
    others: tuple[str, ...] = ()


def by_keys(table: FoundTable, entities: Sequence[str], chain: str | None, source: str | None) -> Naming | None:
    """From the unique key that says most: one of an entity's latest values before one of its samples."""
    found = []
    for key in table.unique_keys:
        named = {column for column in key if not _numbers_rows(table, column)}
        is_timed = len(named) < len(key)
        names = sorted(named - {chain}, key=lambda column: _rank(table, column, entities))
        beside = [column for column in names if column != source] if chain or len(names) > 2 else names
        if not beside:
            continue
        grouping = beside[1] if len(beside) > 1 and not chain else None
        others = tuple(beside[1:] if chain else beside[2:])
        is_key = not is_timed and not others and (source not in named or source in beside)
        naming = Naming(beside[0], grouping, is_key, is_timed, others)
        found.append((len(others), not is_key, _rank(table, beside[0], entities), beside[0], naming))
    return min(found, key=lambda one: one[:4])[-1] if found else None


def by_name(columns: Iterable[FoundColumn], entities: Sequence[str], table: FoundTable) -> Naming | None:
    """From the columns' names alone."""
    known = [
        column.name
        for column in columns
        if column.can_name and not is_surrogate(table, column.name) and _rank(table, column.name, entities) < _UNKNOWN
    ]
    return Naming(min(known, key=lambda name: _rank(table, name, entities))) if known else None


def is_surrogate(table: FoundTable, column: str) -> bool:
    """Whether a column only numbers the rows of its own table, and names nothing that people know."""
    words = words_of(column)
    if len(words) != 1 or words[0] not in _ID:
        return False
    found = table.by_name.get(column)
    if found is None or not found.is_text:
        return True
    values = table.values(column)
    return not values or any(_UUID.fullmatch(value) or value.isdigit() for value in values)


def _rank(table: FoundTable, column: str, entities: Sequence[str]) -> int:
    """How likely a column names an entity: the lower, the likelier. Texts before numbers, short names before long."""
    words, order = words_of(column), [*entities, *_ENTITY]
    place = min((order.index(word) for word in words if word in order), default=None)
    if place is None:
        return _UNKNOWN
    found = table.by_name.get(column)
    is_text = found is not None and found.is_text
    return place * 2 + (0 if is_text else 80) + (1 if len(words) > 1 else 0)


def _numbers_rows(table: FoundTable, column: str) -> bool:
    """Whether a column of a key tells an entity's samples apart: a time, a round, a block, a number of its own."""
    found = table.by_name.get(column)
    if found is None or found.is_time or set(words_of(column)) & _NUMBERING:
        return True
    return bool(epoch_unit(table, column)) or is_surrogate(table, column)
