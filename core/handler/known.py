"""The entities that a stream source remembers."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from core.redis_names import baseline_owner, baselines_of
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from core.settings.models import Settings


def known_owners(client: redis.Redis, watch: str = "*") -> Iterator[tuple[str, str, str]]:
    """Watch, chain and name of what has a baseline, of one watch or of all, in no order. Raises redis.RedisError.

    One that comes or goes meanwhile may be missing, and one may come twice.
    """
    for key in client.scan_iter(baselines_of(watch), count=1000):
        yield baseline_owner(key.decode())


def known_entities(
    client: redis.Redis, settings: Settings, kind: str, limit: int, *, address: str
) -> list[tuple[str, str]]:
    """Chain and name of entities of a kind that have a baseline, in no order. Raises ServiceUnavailable."""
    watches = [watch for watch in settings.dynamodb.tables if settings.watches[watch].kind == kind]
    owners = (owner[1:] for watch in watches for owner in known_owners(client, watch))
    with redis_errors(address):
        return list(islice(owners, limit))
