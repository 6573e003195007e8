"""The names in Redis, and the group ids in SQS, that readers and rtp share.

Parts that come from data are percent-encoded:
no protocol called `a:b*` can collide with another, or widen a subscriber's pattern.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from rtp_client.event import KIND_PATTERN, decode_part, encode_part

STREAM = "rtp:stream"
"""The stream of all events, for replay: fields `sequence` and `event`, about `redis.stream_max_length` entries."""
CACHE_REFRESHED = "rtp:cache-refreshed"
"""A hash: for each kind, when all of its cache entries were last compared with the tables."""
CACHE_TOTAL = "rtp:cache-total"
"""The hash that counts all reads of the cache, since it was made."""
SQS_GROUP_LIMIT = 128
# Every event needs its names; most events are of entities that had one before.
_NAMES_REMEMBERED = 65_536


@lru_cache(maxsize=_NAMES_REMEMBERED)
def cache_key(kind: str, chain: str, entity: str) -> str:
    """The hash that holds an entity's latest event and value: `sequence`, `event`, `current` and `as_of`.

    The last two are there where the table has moved on without an event, or the entry was filled from it. It expires
    after `redis.cache_ttl_seconds` without an event.
    """
    return f"rtp:cache:{kind}:{encode_part(chain)}:{encode_part(entity)}"


def cache_key_pattern(kind: str | None = None) -> str:
    """A SCAN pattern of a kind's cache keys, or of all."""
    return f"rtp:cache:{kind}:*" if kind else "rtp:cache:*"


def cache_key_owner(key: str) -> tuple[str, str, str] | None:
    """Whose a cache key is: kind, chain and entity. None where it is no such key: others can name keys like rtp's."""
    try:
        _, _, kind, chain, entity = key.split(":")
        return (kind, decode_part(chain), decode_part(entity)) if re.fullmatch(KIND_PATTERN, kind) else None
    except ValueError:  # not five parts, or bytes that are no text
        return None


def cache_counts(bucket: int) -> str:
    """The hash that counts reads of the cache in one interval."""
    return f"rtp:cache-counts:{bucket}"


def cache_ranking(what: str, bucket: int) -> str:
    """The sorted set of the keys that were read (`hot`) or missed most in one interval."""
    return f"rtp:cache-{what}:{bucket}"


def channel(kind: str, chain: str, entity: str) -> str:
    """The pub/sub channel of one entity; subscribe with a pattern, such as `rtp:events:price:*`."""
    return f"rtp:events:{kind}:{encode_part(chain)}:{encode_part(entity)}"


def channel_pattern(kind: str | None = None, chain: str | None = None, entity: str | None = None) -> str:
    """A PSUBSCRIBE pattern; a part left out matches any."""
    parts = (kind or "*", encode_part(chain) if chain else "*", encode_part(entity) if entity else "*")
    return "rtp:events:" + ":".join(parts)


@lru_cache(maxsize=_NAMES_REMEMBERED)
def route_channel(name: str) -> str:
    """A route's own pub/sub channel; apart from `rtp:events:`, so that no pattern gets an event twice."""
    return f"rtp:route:{encode_part(name)}"


@lru_cache(maxsize=_NAMES_REMEMBERED)
def partition_key(chain: str, entity: str) -> str:
    """`<chain>:<entity>`: what order is kept by."""
    return f"{encode_part(chain)}:{encode_part(entity)}"


def sqs_group_id(partition: str) -> str:
    """The partition key as an SQS MessageGroupId.

    SQS allows 128 characters of letters, digits and ASCII punctuation; a percent-encoded key is made of those.
    A longer one keeps its head for people and gets the hash of the whole, so that two never share a group; `#`, which
    percent-encoding leaves in no key, keeps a hashed one apart from every key that is short enough as it is.
    """
    if len(partition) <= SQS_GROUP_LIMIT:
        return partition
    digest = hashlib.sha256(partition.encode()).hexdigest()[:32]
    return f"{partition[: SQS_GROUP_LIMIT - 33]}#{digest}"
