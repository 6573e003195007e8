"""What the cache must hold: the newest event of every entity, as soon as rtp says that it is complete.

A Redis that came back may have lost anything; rtp looks for that once a second and fills the cache from the database.
When it has, its marker names the server's present run: only then, and from then on, is every entry due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.redis_names import CACHE_MARKER
from loadtests.faults.sighting import sighting

if TYPE_CHECKING:
    from collections.abc import Mapping

    import redis


def is_filled(client: redis.Redis) -> bool:
    """Whether rtp has found the cache complete, or made it so, since the server started. Raises RedisError."""
    marker: Any = client.get(CACHE_MARKER)
    run = dict(client.info("server"))["run_id"]
    return marker is not None and marker.endswith(f" in run {run}")


def wrong_entries(client: redis.Redis, committed: Mapping[str, int], *, may_be_newer: bool = False) -> list[str]:
    """The entities whose entry is missing, or is not their newest event. Raises RedisError.

    `may_be_newer`: writers have gone on since `committed` was read, and older entries alone are wrong.
    """
    due = {entity: number for entity, number in committed.items() if number}  # else nothing has happened to it
    with client.pipeline(transaction=False) as asking:
        for entity in due:
            asking.hget(f"rtp:cache:{entity}", "event")
        found = [None if document is None else sighting(document).number for document in asking.execute()]
    return [
        f"{entity}: {'nothing' if number is None else number} in the cache, not {wanted}"
        for (entity, wanted), number in zip(due.items(), found, strict=True)
        if number is None or number < wanted or (number > wanted and not may_be_newer)
    ]
