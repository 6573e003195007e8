"""The newest values, as the gateway tells them: the cache, read through to the source's database.

While the database does not answer they are what Redis has: of a protocol that has just changed the fields that changed,
and of an entity whose entry has expired nothing. Else one such entity would keep the values of all others from whoever
asks.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtp_client.cache.async_reader import AsyncCacheReader
    from rtp_client.cache.entry import Entry

# For so long the database is not asked after it did not answer: each question would wait for it in vain.
_REST_SECONDS = 5.0


class NewestValues:
    """`redis_alone` reads without a database; where there is none, `through` is the same."""

    def __init__(self, through: AsyncCacheReader, redis_alone: AsyncCacheReader) -> None:
        self._through = through
        self._redis_alone = redis_alone
        self._resting_until = 0.0

    def can_tell_of(self, kind: str) -> bool:
        """Whether it may be asked for this kind."""
        return self._through.can_tell_of(kind)

    async def get(self, kind: str, chain: str, entity: str) -> Entry | None:
        """An entity's value. Raises ServiceUnavailable where not even Redis answers."""
        return (await self.get_many(kind, [(chain, entity)]))[chain, entity]

    async def get_many(self, kind: str, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Entry | None]:
        """The same of several, by chain and entity."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._resting_until:
            try:
                return await self._through.get_many(kind, pairs)
            except ServiceUnavailable:
                self._resting_until = loop.time() + _REST_SECONDS
        return await self._redis_alone.get_many(kind, pairs)

    async def close(self) -> None:
        """Give the connections back."""
        await self._through.close()
        await self._redis_alone.close()
