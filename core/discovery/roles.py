"""Which column of a table is what to a watch: found from names, types, keys and a few rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.discovery.keys import by_keys, by_name
from core.discovery.numbers import numbers
from core.discovery.times import time_column
from core.discovery.words import vocabulary, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.discovery.keys import Naming
    from core.discovery.picture import FoundColumn, FoundTable

_CHAIN = vocabulary("chain network blockchain evm chainid networkid")
_SOURCE = vocabulary("source provider oracle venue adapter origin exchange aggregator")
_NO_NAMES = frozenset(vocabulary("url count number decimals"))


@dataclass(frozen=True)
class Roles:
    """The columns that a watch maps; None where there is none. `has_many_sources`: of one entity, several speak."""

    naming: Naming
    chain: str | None = None
    changed_at: str | None = None
    confidence: str | None = None
    source: str | None = None
    has_many_sources: bool = False

    @property
    def entity(self) -> str:
        """The column that names the entity."""
        return self.naming.entity

    @property
    def group(self) -> str | None:
        """The column that rtp takes for the chain."""
        return self.chain or self.naming.grouping

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that name an entity, the entity's own first."""
        return tuple(column for column in (self.entity, self.group) if column)


def find_roles(table: FoundTable, entities: Sequence[str], taken: Iterable[str]) -> Roles | None:
    """The roles where something is measured of one of these; `taken` are columns that are values. None: of nothing."""
    values = set(taken)
    rest = [column for column in table.columns if column.is_readable and column.name not in values]
    chain = _called(rest, _CHAIN)
    source = _called([column for column in rest if column.is_text and column.name != chain], _SOURCE)
    others = [column for column in rest if column.name not in (chain, source)]
    naming = by_keys(table, entities, chain, source) or by_name(others, entities, table)
    if naming is None:
        return None
    if source in {naming.entity, naming.grouping}:
        source = None
    has_many = source is not None and (
        any(source in key for key in table.unique_keys) or _is_mixed(table, naming.entity, chain, source)
    )
    time = time_column(table, is_history=not naming.is_key)
    return Roles(naming, chain, time, _confidence(table, rest), source, has_many)


def _called(columns: Iterable[FoundColumn], words: Sequence[str]) -> str | None:
    """The column that has one of these words in its name: the likeliest word, the fewest others, rather a text."""
    found = []
    for place, column in enumerate(columns):
        own = words_of(column.name)
        said = [word for word in words if word in own]
        if said and column.can_name and own[-1] not in _NO_NAMES:
            found.append((words.index(said[0]), len(own), not column.is_text, place, column.name))
    return min(found)[-1] if found else None


def _is_mixed(table: FoundTable, entity: str, chain: str | None, source: str) -> bool:
    """Whether several sources speak of one entity."""
    heard: dict[tuple[str | None, ...], str | None] = {}
    keys = [column for column in (entity, chain) if column]
    return any(
        heard.setdefault(tuple(row.get(key) for key in keys), row.get(source)) != row.get(source)
        for row in table.sample
    )


def _confidence(table: FoundTable, columns: Iterable[FoundColumn]) -> str | None:
    for column in columns:
        if column.is_number and "confidence" in words_of(column.name):
            values = numbers(table.values(column.name))
            if all(0 <= value <= 1 for value in values):
                return column.name
    return None
