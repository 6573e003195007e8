"""Would this Redis keep what rtp needs? Its memory limit, and what it does when that is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis

from rtp_client.cluster import names_cluster
from rtp_client.errors import one_line
from rtp_client.redact import redact
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from core.settings.models import Settings

# What the stream takes for one event, measured on Valkey 9.1: 0.9 kB of JSON and its place.
STREAM_ENTRY_BYTES = 1000


def find_weaknesses(settings: Settings) -> list[str]:
    """What would hurt, a line for each. Empty where Redis does not answer (others say so) or may not be asked."""
    url = settings.redis.url
    if not url:
        return []
    try:
        with redis_client(url, client_name="rtp-validate", timeout_seconds=settings.redis.timeout_seconds) as client:
            memory: Mapping[str, Any] = dict(client.info("memory"))
            is_cluster = bool(dict(client.info("cluster")).get("cluster_enabled"))
    except redis.ConnectionError:
        return []
    except redis.RedisError as error:
        return [f"Redis at {redact(url)}: its memory limit could not be read: {one_line(error)}"]
    found = list(_weaknesses(memory, settings.redis.stream_max_length))
    if is_cluster and not names_cluster(url):
        found.insert(
            0, "it is a node of a Redis Cluster, and takes no event. Add cluster=true to its address, after a ?"
        )
    return [f"Redis at {redact(url)}: {line}" for line in found]


def _weaknesses(memory: Mapping[str, Any], stream_length: int) -> Iterator[str]:
    limit, policy = int(memory.get("maxmemory", 0)), str(memory.get("maxmemory_policy", ""))
    if not limit:  # then the policy never applies
        return
    if policy == "noeviction":
        yield (
            "maxmemory-policy is noeviction: once it is full, events wait in the database until there is room."
            " Set it to volatile-lfu: cache entries can be filled again"
        )
    elif policy.startswith("allkeys-"):
        yield (
            f"maxmemory-policy is {policy}: it may evict the stream, and what keeps late leaders out."
            " Set it to volatile-lfu: all cache entries have a time to live"
        )
    elif policy in {"volatile-ttl", "volatile-random"}:
        yield f"maxmemory-policy is {policy}: it evicts entries that are read often, too. Set it to volatile-lfu"
    needed = stream_length * STREAM_ENTRY_BYTES
    if limit < 1.2 * needed:
        yield (
            f"maxmemory is {limit / 1e6:,.0f} MB, and the stream alone comes to about {needed / 1e6:,.0f} MB"
            f" (redis.stream_max_length {stream_length:,}). Raise the one or lower the other"
        )
