"""The cache, as services read it: the newest value and event of every protocol and token.

`CacheReader` for threads, `AsyncCacheReader` for asyncio; both give an `Entry`, or None for an unknown entity.
docs/cache.md says what they promise.
"""

from __future__ import annotations

from core.cache.async_reader import AsyncCacheReader
from core.cache.entry import Entry, Source
from core.cache.reader import CacheReader

__all__ = ["AsyncCacheReader", "CacheReader", "Entry", "Source"]
