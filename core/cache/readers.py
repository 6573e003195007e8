"""The cache's readers and their options, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import SettingsError
from core.settings.aliases import AliasTable
from core.settings.watches import Constant
from rtp_client.cache.async_reader import AsyncCacheReader
from rtp_client.cache.options import TIMEOUT_SECONDS, CacheOptions
from rtp_client.cache.reader import CacheReader
from rtp_client.cache.table import Fixed, Table, TableOfAliases

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.aliases import Aliases
    from core.settings.models import Settings
    from core.settings.watches import Column, Watch
    from rtp_client.cache.item_table import DynamoDb


def cache_reader(
    settings: Settings,
    *,
    dynamodb: DynamoDb | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    local_entries: int = 0,
    is_counted: bool = True,
) -> CacheReader:
    """A reader for threads, of PostgreSQL's tables where no DynamoDB is given. Raises SettingsError without Redis."""
    return CacheReader(
        _redis_url(settings),
        None if dynamodb else settings.postgres.dsn,
        dynamodb=dynamodb,
        local_entries=local_entries,
        is_counted=is_counted,
        **cache_options(settings, timeout_seconds),
    )


def async_cache_reader(
    settings: Settings, *, dynamodb: DynamoDb | None = None, is_counted: bool = True
) -> AsyncCacheReader:
    """The same for asyncio. It leaves nothing in PostgreSQL's sessions, which a pooler may share."""
    return AsyncCacheReader(
        _redis_url(settings),
        None if dynamodb else settings.postgres.dsn,
        dynamodb=dynamodb,
        is_counted=is_counted,
        **CacheOptions(**cache_options(settings), prepares=False),
    )


def async_redis_reader(settings: Settings) -> AsyncCacheReader:
    """The same, of what Redis has and nothing else: it waits for Redis as all of rtp does.

    Its reads are not counted.
    """
    patient = cache_options(settings, settings.redis.timeout_seconds)
    return AsyncCacheReader(_redis_url(settings), is_counted=False, **patient)


def cache_options(settings: Settings, timeout_seconds: float = TIMEOUT_SECONDS) -> CacheOptions:
    """What readers of these settings' cache are told."""
    cache = settings.redis.cache
    return CacheOptions(
        tables=[table_of(watch) for watch in settings.watches.values()],
        ttl_seconds={kind: settings.redis.cache_ttl_ms(kind) / 1000 for kind in settings.all_kinds},
        max_staleness_seconds={kind: cache.max_staleness_seconds(kind) for kind in settings.all_kinds},
        unknown_ttl_seconds=cache.unknown_ttl_seconds,
        timeout_seconds=min(settings.redis.timeout_seconds, timeout_seconds),
        connect_timeout_seconds=settings.postgres.connect_timeout_seconds,
        answer_timeout_seconds=settings.postgres.answer_timeout_seconds,
    )


def table_of(watch: Watch) -> Table:
    """The watch's table, as a reader of the cache is told of it."""
    columns = watch.columns
    entity, chain = _column(columns.entity), _column(columns.chain)
    if not watch.has_value:
        return Table(
            watch.kind,
            watch.table,
            entity,
            chain,
            watched=watch.watched,
            aliases=_aliases(watch.aliases),
            chain_aliases=_aliases(watch.chain_aliases),
        )
    return Table(
        watch.kind,
        watch.table,
        entity,
        chain,
        value=watch.columns.value,
        changed_at=columns.changed_at,
        is_history=watch.is_history,
        timezone=watch.timezone,
        max_future_seconds=watch.max_future.total_seconds() or None,
        aliases=_aliases(watch.aliases),
        chain_aliases=_aliases(watch.chain_aliases),
    )


def _aliases(aliases: Aliases | None) -> Mapping[str, str] | TableOfAliases | None:
    return TableOfAliases(aliases.table, aliases.former, aliases.now) if isinstance(aliases, AliasTable) else aliases


def _column(column: Column) -> str | Fixed:
    return Fixed(column.const) if isinstance(column, Constant) else column


def _redis_url(settings: Settings) -> str:
    if not settings.redis.url:
        raise SettingsError("there is no Redis address", "Set RTP_REDIS_URL or redis.url")
    return settings.redis.url
