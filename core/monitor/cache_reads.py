"""How often the cache was read, by all of its readers together: they count in Redis (rtp_client/cache/counts.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import redis

from rtp_client.keys import CACHE_TOTAL
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT_SECONDS = 1.0


class CacheReads:
    """Reads the counts of one Redis. While that Redis does not answer, the last counts stay."""

    def __init__(self, url: str) -> None:
        self._client = redis_client(
            url, client_name="rtp-monitor", timeout_seconds=_TIMEOUT_SECONDS, decode_responses=True
        )
        self.counts: Mapping[tuple[str, str], int] = {}

    def refresh(self) -> None:
        """Ask for the counts by kind and outcome."""
        try:
            found = cast("dict[str, str]", self._client.hgetall(CACHE_TOTAL))
        except redis.RedisError:  # the Redis sink's loop reports the outage
            return
        named = ((*name.partition("."), count) for name, count in found.items())
        self.counts = {(kind, outcome): int(count) for kind, dot, outcome, count in named if dot}

    def close(self) -> None:
        self._client.close()
