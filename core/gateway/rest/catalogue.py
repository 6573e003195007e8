"""The entities that there are, and their newest values."""

from __future__ import annotations

from itertools import groupby, islice
from typing import TYPE_CHECKING

import redis

from rtp_client.event_filter import named
from rtp_client.keys import cache_key_owner, cache_key_pattern
from rtp_client.redis import redis_unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import asyncio as async_redis

    from core.gateway.reach import Owner, Reach
    from rtp_client.cache.async_reader import AsyncCacheReader
    from rtp_client.cache.entry import Entry
    from rtp_client.event_filter import EventFilter

# Making a hundred entries takes milliseconds; events are sent between two pages.
_PAGE = 100


async def known_owners(client: async_redis.Redis, address: str) -> list[Owner]:
    """All that have a key in the cache, in the order of kind, chain and name. Raises ServiceUnavailable."""
    try:
        owners = [cache_key_owner(key.decode()) async for key in client.scan_iter(cache_key_pattern(), count=1000)]
    except redis.RedisError as error:
        raise redis_unavailable(address, error) from error
    return sorted(owner for owner in set(owners) if owner is not None)


def fitting(owners: Sequence[Owner], wanted: EventFilter, reach: Reach) -> list[Owner]:
    """Those that are asked for and may be seen."""
    return [
        (kind, chain, entity)
        for kind, chain, entity in owners
        if named(kind, wanted.kind)
        and named(chain, wanted.chain)
        and named(entity, wanted.entity)
        and reach.covers(kind, chain, entity)
    ]


async def read_entries(reader: AsyncCacheReader, owners: Sequence[Owner]) -> list[Entry]:
    """What is known of each, in their order; of one that is gone meanwhile, nothing."""
    found: list[Entry] = []
    for kind, of_kind in groupby(owners, key=lambda owner: owner[0]):
        pairs = (owner[1:] for owner in of_kind)
        while page := list(islice(pairs, _PAGE)):
            entries = await reader.get_many(kind, page)
            found += [entry for entry in entries.values() if entry is not None]
    return found
