"""DynamoDB tables that the cache's values come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from rtp_client.aliases import former_names
from rtp_client.cache.table import EVERYWHERE, Fixed

Item = Mapping[str, Any]
"""An item as DynamoDB spells it: `{"tvl": {"N": "1.5"}}`."""
Attribute = str | tuple[str, ...]
"""An attribute's name. `data.price` is inside the map `data`; a name with a dot of its own is written `("a.b",)`."""


@dataclass(frozen=True)
class ItemTable:
    """What `Table` is for PostgreSQL, of a DynamoDB table.

    `watched_at` has the attributes of what is `watched`, in the same order, where they are called otherwise.
    `is_wanted` says which of its items count, where several kinds of things share the table. Of a history
    (`is_history`) items are those of one partition, and the sort key puts them in order.
    """

    kind: str
    name: str
    entity: Attribute | Fixed
    chain: Attribute | Fixed = EVERYWHERE
    value: Attribute | None = None
    watched: tuple[str, ...] = ()
    watched_at: tuple[Attribute, ...] = ()
    changed_at: Attribute | None = None
    is_history: bool = False
    timezone: str = "UTC"
    max_future_seconds: float | None = 300.0
    is_wanted: Callable[[Item], bool] | None = None
    aliases: Mapping[str, str] | None = field(default=None, hash=False)
    chain_aliases: Mapping[str, str] | None = field(default=None, hash=False)

    def names_of(self, chain: str, entity: str) -> Iterator[tuple[str, str]]:
        """The names under which an entity's items may stand: those of today first."""
        chains = chain, *former_names(chain, self.chain_aliases)
        return product(chains, (entity, *former_names(entity, self.aliases)))


@dataclass(frozen=True)
class DynamoDb:
    """Where a reader finds what Redis does not hold: DynamoDB tables, by their keys.

    Credentials are AWS's own variables, and so is the region where none is named.
    """

    tables: Sequence[ItemTable]
    region: str | None = None
    endpoint_url: str | None = None
    timeout_seconds: float = 5.0
