"""What a log leaves in Redis: cache, stream and what keeps them. The baselines of a stream source are not of a log."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from core.redis_names import CACHE_MARKER, FENCE
from rtp_client.keys import STREAM, cache_key_pattern

if TYPE_CHECKING:
    import redis

_PAGE = 1000
# Entries, and beside them when they were compared and how often they were read.
_OF_THE_CACHE = "rtp:cache*"


@dataclass(frozen=True)
class Remains:
    """How many entries the cache has, and how many events the stream; whether they were cleared."""

    entries: int
    stream_events: int
    is_cleared: bool


def settle_remains(client: redis.Redis, *, clear: bool) -> Remains:
    """Count what is there, and clear it where asked to. Raises redis.RedisError."""
    entries = sum(1 for _ in client.scan_iter(cache_key_pattern(), count=_PAGE))
    length = client.xlen(STREAM) if client.type(STREAM) == b"stream" else 0
    if clear:
        keys = client.scan_iter(_OF_THE_CACHE, count=_PAGE)
        while page := list(islice(keys, _PAGE)):
            client.unlink(*page)
        client.unlink(STREAM, FENCE, CACHE_MARKER)
    return Remains(entries, int(str(length)), clear)
