"""The kinds of thing that rtp watches: one row for each.

Everything that is different from kind to kind stands here: the settings' models, the options, the routes, the cache
and both detectors derive from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType


@dataclass(frozen=True)
class Kind:
    """One kind of thing.

    `entity` is the settings' word for what a row is about: a column, a key of overrides and routes. A kind without a
    value is metadata: any change of its watched columns is significant. `percent` is how far a value must move where
    a watch says nothing. A value with a peg should stay where it is. `prefix` and `suffix` go with its amounts, and
    `color` with its name, where people are shown them.
    """

    name: str
    entity: str
    has_value: bool = True
    percent: Decimal = Decimal(1)
    has_peg: bool = False
    prefix: str = ""
    suffix: str = ""
    color: str = "green"


Kinds = Mapping[str, Kind]
"""Kinds by their names."""

SHIPPED: Kinds = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("tvl", "protocol", prefix="$", color="cyan"),
            Kind("price", "token", percent=Decimal("0.1"), has_peg=True, prefix="$", color="magenta"),
            Kind("protocol", "protocol", has_value=False, color="yellow"),
        )
    }
)

MARKET = Kind("market", "watch", color="red")
"""A watch's market-wide moves, as an index that is 100 before: events are of this kind, and no watch is."""


def kind_of_event(name: str, kinds: Kinds) -> Kind:
    """The kind that an event names. One that is not among `kinds`, as of another version of rtp, is shown plainly."""
    return {**kinds, MARKET.name: MARKET}.get(name, Kind(name, ""))


def entity_words(kinds: Kinds) -> tuple[str, ...]:
    """The kinds' words for their entities, each once."""
    return tuple(dict.fromkeys(kind.entity for kind in kinds.values()))
