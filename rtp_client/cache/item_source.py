"""DynamoDB tables as the cache's source: what they hold for an entity now. Synchronous and asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rtp_client.aliases import called_now
from rtp_client.attribute_json import as_in_stream
from rtp_client.cache.item_access import find_access
from rtp_client.cache.item_client import dynamodb_errors, make_client, refused
from rtp_client.cache.item_values import owner_of, time_of, value_of
from rtp_client.cache.loading import Owner, TableRow
from rtp_client.cache.table import Fixed
from rtp_client.errors import SettingsError
from rtp_client.event import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from rtp_client.cache.item_access import Access
    from rtp_client.cache.item_table import DynamoDb, Item, ItemTable

    Key = Mapping[str, Mapping[str, str]]

_KEYS_AT_ONCE = 100  # DynamoDB takes no more in a request
_PAGE = 50
_MOST_PAGES = 20
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class ItemSource:
    """Reads items by the entities they are of. Any thread may use it; its client is made with the first read."""

    def __init__(self, dynamodb: DynamoDb, *, client: DynamoDBClient | None = None) -> None:
        self._where = dynamodb
        self._tables: dict[str, list[ItemTable]] = defaultdict(list)
        for table in dynamodb.tables:
            self._tables[table.kind].append(table)
        self._client = client
        self._making = threading.Lock()
        self._ways: dict[ItemTable, Access] = {}

    def rows(self, owners: Sequence[Owner]) -> Mapping[Owner, TableRow]:
        """What the tables hold for these entities. An entity that is in no table is not in the answer.

        Raises ServiceUnavailable where DynamoDB does not answer, or refuses, and SettingsError where a table has no
        key or index by which an entity is found.
        """
        return {owner: row for owner, (_, row) in self._found(owners).items()}

    def items(self, owners: Sequence[Owner]) -> Mapping[Owner, Item]:
        """The items that `rows` takes its values from, in the types of a stream's records."""
        return {owner: item for owner, (item, _) in self._found(owners).items()}

    def close(self) -> None:
        """Give the connections back."""
        if self._client is not None:
            self._client.close()

    @property
    def client(self) -> DynamoDBClient:
        """boto3's client. Raises SettingsError where it cannot be made."""
        with self._making:
            if self._client is None:
                self._client = make_client(self._where)
            return self._client

    def _found(self, owners: Sequence[Owner]) -> dict[Owner, tuple[Item, TableRow]]:
        """Where two tables have an entity, the first counts."""
        found: dict[Owner, tuple[Item, TableRow]] = {}
        for kind in dict.fromkeys(owner.kind for owner in owners):
            for table in self._tables[kind]:
                as_of = format_time(datetime.now(UTC))
                asked = [one for one in owners if one.kind == kind and one not in found and _may_have(table, one)]
                for owner, item in self._read(table, asked) if asked else ():
                    if (value := _value(item, table)) is not None:
                        found[owner] = item, TableRow(value, as_of)
        return found

    def _read(self, table: ItemTable, owners: Sequence[Owner]) -> Iterator[tuple[Owner, Item]]:
        with dynamodb_errors(self.client, table.name):
            way = self._ways.get(table) or self._way(table)
            names = ((owner, one) for owner in owners for one in table.names_of(owner.chain, owner.entity))
            keys = [(owner, key) for owner, (chain, entity) in names if (key := way.key(chain, entity))]
            if way.is_whole:
                yield from self._single_items(table, keys)
                return
            for owner, key in keys:
                if (item := self._newest(table, way, owner, key)) is not None:
                    yield owner, item

    def _way(self, table: ItemTable) -> Access:
        description = self.client.describe_table(TableName=table.name)["Table"]
        way = find_access(description, table)
        if way is None:
            raise SettingsError(
                f"neither the key nor an index of DynamoDB table {table.name} names what a {table.kind} is of",
                "Make an index of that attribute, with all attributes projected",
            )
        self._ways[table] = way
        return way

    def _single_items(self, table: ItemTable, keys: Sequence[tuple[Owner, Key]]) -> Iterator[tuple[Owner, Item]]:
        owners = {_identity(key): owner for owner, key in keys}
        waiting: list[Any] = list({_identity(key): key for _, key in keys}.values())
        names = list(waiting[0]) if waiting else []
        while waiting:
            page, waiting = waiting[:_KEYS_AT_ONCE], waiting[_KEYS_AT_ONCE:]
            answer = self.client.batch_get_item(RequestItems={table.name: {"Keys": page, "ConsistentRead": True}})
            for found in answer["Responses"].get(table.name, []):
                item = as_in_stream(found)
                owner = owners[_identity({name: item[name] for name in names})]
                if _is_of(item, table, owner):
                    yield owner, item
            unread: Any = answer.get("UnprocessedKeys", {})
            left: list[Any] = unread.get(table.name, {}).get("Keys", [])
            if len(left) == len(page):
                raise refused(self.client, table.name, "it is throttled")
            waiting += left

    def _newest(self, table: ItemTable, way: Access, owner: Owner, key: Key) -> Item | None:
        """The entity's item in a partition: of several the newest, of a history the last by the sort key."""
        best: tuple[datetime, Item] | None = None
        for item in self._partition(table, way, key):
            moment = _moment(item, table, owner)
            if moment is not None and table.is_history:
                return item
            if moment is not None and (best is None or moment > best[0]):
                best = moment, item
        return best[1] if best else None

    def _partition(self, table: ItemTable, way: Access, key: Key) -> Iterator[Item]:
        request: dict[str, Any] = {
            "TableName": table.name,
            "ConsistentRead": way.index is None,
            "KeyConditionExpression": " AND ".join(f"#{place} = :{place}" for place in range(len(key))),
            "ExpressionAttributeNames": {f"#{place}": name for place, name in enumerate(key)},
            "ExpressionAttributeValues": {f":{place}": value for place, value in enumerate(key.values())},
            "ScanIndexForward": False,
            "Limit": _PAGE,
        }
        if way.index is not None:
            request["IndexName"] = way.index
        for _ in range(_MOST_PAGES):
            answer = self.client.query(**request)
            yield from map(as_in_stream, answer["Items"])
            if not (last := answer.get("LastEvaluatedKey")):
                return
            request["ExclusiveStartKey"] = last
        raise refused(self.client, table.name, f"more than {_PAGE * _MOST_PAGES:,} items share a key. Make an index")


class AsyncItemSource:
    """For asyncio; otherwise the same. boto3 has no face for asyncio, so it is asked in a thread."""

    def __init__(self, dynamodb: DynamoDb) -> None:
        self._source = ItemSource(dynamodb)

    async def rows(self, owners: Sequence[Owner]) -> Mapping[Owner, TableRow]:
        """See ItemSource."""
        return await asyncio.to_thread(self._source.rows, owners)

    async def close(self) -> None:
        self._source.close()


def _may_have(table: ItemTable, owner: Owner) -> bool:
    names = ((table.chain, owner.chain, table.chain_aliases), (table.entity, owner.entity, table.aliases))
    return all(called_now(named.name, aliases) == asked for named, asked, aliases in names if isinstance(named, Fixed))


def _is_of(item: Item, table: ItemTable, owner: Owner) -> bool:
    try:
        is_its = owner_of(item, table) == (owner.chain, owner.entity)
    except ValueError:
        return False
    return is_its and (table.is_wanted is None or table.is_wanted(item))


def _moment(item: Item, table: ItemTable, owner: Owner) -> datetime | None:
    """The item's own time; None where it is not the entity's, or counts for nothing."""
    if not _is_of(item, table, owner) or _value(item, table) is None:
        return None
    try:
        moment = time_of(item, table)
    except ValueError:
        return None
    if not table.is_history:
        return moment or _LONG_AGO
    limit = table.max_future_seconds
    is_ahead = moment is not None and limit is not None and moment > datetime.now(UTC) + timedelta(seconds=limit)
    return None if is_ahead else moment


def _value(item: Item, table: ItemTable) -> str | None:
    try:
        return value_of(item, table)
    except ValueError:
        return None


def _identity(key: Key) -> tuple[Any, ...]:
    """The same for two spellings of a number."""
    parts = ((name, *next(iter(value.items()))) for name, value in sorted(key.items()))
    return tuple((name, Decimal(text) if kind == "N" else text) for name, kind, text in parts)
