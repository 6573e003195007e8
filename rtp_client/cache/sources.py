"""The source of what the cache does not hold. What drives the other database is not imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtp_client.cache.item_source import AsyncItemSource, ItemSource
    from rtp_client.cache.item_table import DynamoDb
    from rtp_client.cache.options import CacheOptions
    from rtp_client.cache.source import AsyncDatabaseSource, DatabaseSource


def source_of(
    postgres_dsn: str | None, dynamodb: DynamoDb | None, options: CacheOptions
) -> DatabaseSource | ItemSource | None:
    """For threads; None where no database is named."""
    if postgres_dsn:
        from rtp_client.cache.source import DatabaseSource  # noqa: PLC0415

        return DatabaseSource(postgres_dsn, options)
    if dynamodb:
        from rtp_client.cache.item_source import ItemSource  # noqa: PLC0415

        return ItemSource(dynamodb)
    return None


def async_source_of(
    postgres_dsn: str | None, dynamodb: DynamoDb | None, options: CacheOptions
) -> AsyncDatabaseSource | AsyncItemSource | None:
    """For asyncio."""
    if postgres_dsn:
        from rtp_client.cache.source import AsyncDatabaseSource  # noqa: PLC0415

        return AsyncDatabaseSource(postgres_dsn, options)
    if dynamodb:
        from rtp_client.cache.item_source import AsyncItemSource  # noqa: PLC0415

        return AsyncItemSource(dynamodb)
    return None
