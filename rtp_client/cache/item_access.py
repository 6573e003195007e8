"""How the items of an entity are asked for: by the table's key, or by an index. Pure: no requests.

An index is read as it was a moment ago: DynamoDB writes to it after the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rtp_client.cache.item_values import path_of
from rtp_client.cache.table import Fixed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rtp_client.cache.item_table import Attribute, ItemTable

_LONGEST_KEY_BYTES = 1024  # of a sort key; a partition key has twice as many


@dataclass(frozen=True)
class KeyPart:
    """An attribute of a key, its type, and which name of the entity it holds: `chain` or `entity`."""

    attribute: str
    type: str
    holds: str | None

    def value(self, chain: str, entity: str) -> Mapping[str, str] | None:
        """What it is for an entity, in DynamoDB's spelling; None where no item can be called so."""
        name = chain if self.holds == "chain" else entity
        is_number = name.removeprefix("-").replace(".", "", 1).isdecimal() and name.isascii()
        if not name or len(name.encode("utf-8", "surrogatepass")) > _LONGEST_KEY_BYTES:
            return None
        return None if self.type == "N" and not is_number else {self.type: name}


@dataclass(frozen=True)
class Access:
    """A key of the table, or of one of its indexes, whose partition an entity's names tell."""

    index: str | None
    partition: KeyPart
    sort: KeyPart | None

    @property
    def is_whole(self) -> bool:
        """Whether the names tell the table's whole key, so that there is one item at most."""
        return self.index is None and (self.sort is None or self.sort.holds is not None)

    def key(self, chain: str, entity: str) -> dict[str, Mapping[str, str]] | None:
        """As much of the key as the names tell; None where no item can have it."""
        parts = [self.partition, *([self.sort] if self.sort and self.sort.holds else [])]
        key = {part.attribute: value for part in parts if (value := part.value(chain, entity))}
        return key if len(key) == len(parts) else None


def find_access(description: Mapping[str, Any], table: ItemTable) -> Access | None:
    """The best way to an entity's items, by what DescribeTable says; None where no key tells an entity."""
    types = {one["AttributeName"]: one["AttributeType"] for one in description["AttributeDefinitions"]}
    ways = [way for index, schema in _schemas(description) if (way := _access(index, schema, types, table))]
    return min(ways, key=lambda way: _rank(way, table), default=None)


def _schemas(description: Mapping[str, Any]) -> Iterator[tuple[str | None, list[Any]]]:
    yield None, description["KeySchema"]
    for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        for index in description.get(kind) or []:
            if index["Projection"].get("ProjectionType") == "ALL":
                yield index["IndexName"], index["KeySchema"]


def _access(index: str | None, schema: list[Any], types: Mapping[str, str], table: ItemTable) -> Access | None:
    parts = {
        one["KeyType"]: KeyPart(one["AttributeName"], types[one["AttributeName"]], _held(one["AttributeName"], table))
        for one in schema
    }
    partition = parts["HASH"]
    if partition.holds is None or any(part.type == "B" and part.holds for part in parts.values()):
        return None
    return Access(index, partition, parts.get("RANGE"))


def _held(attribute: str, table: ItemTable) -> str | None:
    if _names(table.entity, attribute):
        return "entity"
    return "chain" if _names(table.chain, attribute) else None


def _names(attribute: Attribute | Fixed | None, key: str) -> bool:
    return attribute is not None and not isinstance(attribute, Fixed) and path_of(attribute) == (key,)


def _rank(way: Access, table: ItemTable) -> tuple[bool, ...]:
    """The best way has the least: all of the key, then in a history its time as the sort key, then no index."""
    is_by_time = way.sort is not None and _names(table.changed_at, way.sort.attribute)
    has_both = way.sort is not None and way.sort.holds is not None
    return (
        not way.is_whole,
        table.is_history and not is_by_time,
        way.partition.holds != "entity",
        not has_both,
        way.index is not None,
    )
