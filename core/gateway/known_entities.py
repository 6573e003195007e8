"""Which entities there are: those that the cache has keys of, those of rtp's baselines, and those of the stream."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import redis

from core.errors import NotInstalled, ServiceUnavailable
from core.inspection.entities import read_entities
from core.services.postgres import connect, own_transaction
from rtp_client.answer_timeout import AnswerTimeout
from rtp_client.errors import one_line
from rtp_client.keys import cache_key_owner, cache_key_pattern
from rtp_client.redis import redis_unavailable

if TYPE_CHECKING:
    from redis import asyncio as async_redis

    from core.gateway.reach import Owner

_LOGGER = logging.getLogger("rtp.gateway")
# The events tell of new ones meanwhile. Going through all keys costs Redis more than reading those of rtp.
_LOOK_SECONDS = 60.0
_PAGE = 1000
_POSTGRES_SECONDS = 5.0


class KnownEntities:
    """Looked for once a minute."""

    def __init__(self, client: async_redis.Redis, address: str, postgres_dsn: str | None) -> None:
        self._client = client
        self._address = address
        self._postgres_dsn = postgres_dsn
        self._known: set[Owner] = set()
        self._noted: set[Owner] = set()
        self._look_at = 0.0

    def note(self, owner: Owner) -> None:
        """There is an event of it."""
        self._noted.add(owner)

    async def owners(self) -> set[Owner]:
        """All of them. Raises ServiceUnavailable where neither Redis nor PostgreSQL tells."""
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            noted, self._noted = self._noted, set()
            self._known = await self._look() | noted
            self._look_at = now + _LOOK_SECONDS
        return self._known | self._noted

    async def _look(self) -> set[Owner]:
        found = await asyncio.to_thread(self._of_baselines) if self._postgres_dsn else set()
        try:
            async for key in self._client.scan_iter(cache_key_pattern(), count=_PAGE, _type="HASH"):
                if owner := cache_key_owner(key.decode("ascii", "replace")):
                    found.add(owner)
        except redis.RedisError as error:
            found |= self._known
            if not found:
                raise redis_unavailable(self._address, error) from error
        return found

    def _of_baselines(self) -> set[Owner]:
        assert self._postgres_dsn
        try:
            timeout = AnswerTimeout(_POSTGRES_SECONDS, first_seconds=_POSTGRES_SECONDS)
            connected = connect(self._postgres_dsn, role="serve", answer_timeout=timeout, session=None)
            with closing(connected) as connection, own_transaction(connection, "READ ONLY"):
                return {(entity.kind, entity.chain, entity.name) for entity in read_entities(connection)}
        except (NotInstalled, ServiceUnavailable, psycopg.Error) as error:
            _LOGGER.debug("entities of PostgreSQL's baselines are left out: %s", one_line(error))
            return set()
