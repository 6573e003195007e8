"""Items of the watched DynamoDB tables, as the images of a stream's records are spelled.

Each method raises ServiceUnavailable, StatementRefused where a right is missing, and SettingsError for no table.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.handler.description import describe_table, dynamodb_errors
from core.handler.images import watched_tables
from core.settings.aliases import written_out
from core.settings.watches import Constant
from rtp_client.attribute_json import as_in_stream
from rtp_client.cache.item_table import DynamoDb, ItemTable
from rtp_client.cache.table import Fixed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from core.handler.images import WatchedTable
    from core.settings.models import Settings
    from rtp_client.cache.item_table import Item

Key = dict[str, dict[str, Any]]
"""An item's key, in DynamoDB's spelling."""


@dataclass(frozen=True)
class Page:
    """Some items of a table, and the key that the next page begins behind; None behind the last one."""

    items: Sequence[Item]
    last_key: Key | None


class TableItems:
    """Reads items of tables. Any thread may use it."""

    def __init__(self, client: DynamoDBClient) -> None:
        self._client = client
        self._keys: dict[str, Sequence[str]] = {}

    def page(self, table: str, *, after: Key | None = None, limit: int = 500) -> Page:
        """The next items of a table, in no order that means anything; as they were at some moment of the reading."""
        place: Any = {"ExclusiveStartKey": after} if after else {}
        with dynamodb_errors(self._client, "Scan", table):
            answer = self._client.scan(TableName=table, Limit=limit, **place)
        last_key: Any = answer.get("LastEvaluatedKey")
        return Page([as_in_stream(item) for item in answer["Items"]], last_key or None)

    def item(self, table: str, key: Mapping[str, Any]) -> Item | None:
        """The item as it is now; None where there is none."""
        with dynamodb_errors(self._client, "GetItem", table):
            found: Any = self._client.get_item(TableName=table, Key=dict(key), ConsistentRead=True).get("Item")
        return as_in_stream(found) if found else None

    def before(self, table: str, key: Mapping[str, Any], *, limit: int) -> list[Item]:
        """The items that come before this one in its partition, the nearest first; none where nothing orders them."""
        if table not in self._keys:
            self._keys[table] = describe_table(self._client, table).keys
        if len(self._keys[table]) == 1:
            return []
        partition, sort = self._keys[table]
        with dynamodb_errors(self._client, "Query", table):
            answer = self._client.query(
                TableName=table,
                KeyConditionExpression="#partition = :partition AND #sort < :sort",
                ExpressionAttributeNames={"#partition": partition, "#sort": sort},
                ExpressionAttributeValues={":partition": _for_boto3(key[partition]), ":sort": _for_boto3(key[sort])},
                ScanIndexForward=False,
                ConsistentRead=True,
                Limit=limit,
            )
        return [as_in_stream(item) for item in answer["Items"]]


def _for_boto3(value: Mapping[str, Any]) -> Any:
    """A key's value; binary is base64 in a record."""
    return {"B": base64.b64decode(value["B"])} if "B" in value else value


def dynamodb_of(settings: Settings) -> DynamoDb:
    """Where readers of the cache find what Redis does not hold. Raises SettingsError where no table is named."""
    tables = [_item_table(watched, name) for name, watches in watched_tables(settings).items() for watched in watches]
    return DynamoDb(
        tables,
        region=settings.dynamodb.region or settings.sqs.region,
        endpoint_url=settings.dynamodb.endpoint_url,
        timeout_seconds=settings.dynamodb.timeout_seconds,
    )


def _item_table(watched: WatchedTable, name: str) -> ItemTable:
    watch = watched.watch
    chain, entity = (
        Fixed(named.const) if isinstance(named, Constant) else named for named in (watched.chain, watched.entity)
    )
    is_wanted = None if watched.items is None else watched.items.holds
    aliases, chain_aliases = written_out(watch.aliases), written_out(watch.chain_aliases)
    if not watch.has_value:
        names, places = tuple(watched.watched), tuple(watched.watched.values())
        return ItemTable(
            watch.kind,
            name,
            entity,
            chain,
            watched=names,
            watched_at=places,
            is_wanted=is_wanted,
            aliases=aliases,
            chain_aliases=chain_aliases,
        )
    return ItemTable(
        watch.kind,
        name,
        entity,
        chain,
        value=watched.value,
        changed_at=watched.changed_at,
        is_history=watch.is_history,
        timezone=watch.timezone,
        max_future_seconds=watch.max_future.total_seconds() or None,
        is_wanted=is_wanted,
        aliases=aliases,
        chain_aliases=chain_aliases,
    )
