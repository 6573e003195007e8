"""What the cache must hold: the newest event of every entity, as soon as rtp says that it is complete.

A Redis that came back may have lost anything; rtp looks for that once a second and fills the cache from the database.
When it has, its marker names the server's present run: only then, and from then on, is every entry due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.redis_names import CACHE_MARKER
from loadtests.faults.tally import FIRST_VALUE, sighting

if TYPE_CHECKING:
    from collections.abc import Mapping

    import redis


def is_filled(client: redis.Redis) -> bool:
    """Whether rtp has found the cache complete, or made it so, since the server started. Raises RedisError."""
    marker: Any = client.get(CACHE_MARKER)
    run = dict(client.info("server"))["run_id"]
    return marker is not None and marker.endswith(f" in run {run}")


def wrong_entries(client: redis.Redis, newest: Mapping[str, int], *, may_be_newer: bool = False) -> list[str]:
    """The entities whose entry is missing, or is not their newest event. Raises RedisError.

    `may_be_newer`: writers have gone on since `newest` was read, and older entries alone are wrong.
    """
    due = {entity: value for entity, value in newest.items() if value >= FIRST_VALUE}  # else nothing has happened to it
    with client.pipeline(transaction=False) as asking:
        for entity in due:
            asking.hget(f"rtp:cache:{entity}", "event")
        found = [None if document is None else sighting(document).value for document in asking.execute()]
    return [
        f"{entity}: {'nothing' if value is None else value} in the cache, not {wanted}"
        for (entity, wanted), value in zip(due.items(), found, strict=True)
        if value is None or value < wanted or (value > wanted and not may_be_newer)
    ]
