"""The asyncio reader of a cache, as the settings describe it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.cache.readers import cache_options
from rtp_client import AsyncCacheReader

if TYPE_CHECKING:
    from core.settings.models import Settings


def async_cache_reader(settings: Settings, *, timeout_seconds: float) -> AsyncCacheReader:
    """What `cache_reader` is for threads."""
    assert settings.redis.url
    return AsyncCacheReader(settings.redis.url, settings.postgres.dsn, **cache_options(settings, timeout_seconds))
