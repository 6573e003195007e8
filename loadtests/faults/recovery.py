"""Waiting until a fault is overcome: what was committed has arrived in both sinks, and the cache is complete."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis

from loadtests.faults.cache_check import is_filled, wrong_entries
from loadtests.faults.stream_audit import impatient_client
from loadtests.faults.world import Stuck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.faults.world import World

_POLL_SECONDS = 0.005
_MOST_UNEXPECTED_ENDS = 5


@dataclass(frozen=True)
class RecoverySeconds:
    """Seconds from a fault's end to each of its marks; and the cache entries that were wrong at the last of them.

    `first`: something new came out of rtp. `all`: so did all that was committed by then. `cache`: and it is complete.
    """

    first_seconds: float
    all_seconds: float
    cache_seconds: float
    cache_wrong: tuple[str, ...] = ()


def wait_for_recovery(world: World, healed_at: float, deadline_seconds: float) -> RecoverySeconds:
    """Wait until both sinks have got everything that is committed now, and the cache is complete. Raises Stuck."""
    places = (world.stream.arrivals, world.alerts.accepted)
    before = [place.received for place in places]
    world.insist(world.workload.step_probe)  # something new, or an rtp that still sleeps would count as recovered
    wanted = world.committed()
    first = everything = 0.0
    while True:
        after_seconds = time.monotonic() - healed_at
        if not first and all(place.received > then for place, then in zip(places, before, strict=True)):
            first = after_seconds
        if not everything and all(place.has_all(wanted) for place in places):
            everything = after_seconds
        if everything and (wrong := _wrong_in_full_cache(world, wanted)) is not None:
            return RecoverySeconds(first or everything, everything, time.monotonic() - healed_at, tuple(wrong))
        world.start_rtp()
        if after_seconds > deadline_seconds or len(world.unexpected_ends()) > _MOST_UNEXPECTED_ENDS:
            raise Stuck(_what_is_missing(world, wanted))
        time.sleep(_POLL_SECONDS)


def _wrong_in_full_cache(world: World, wanted: Mapping[str, int]) -> list[str] | None:
    """None where the cache is not complete yet, or Redis does not say."""
    try:
        with closing(impatient_client(world.stack.redis.url)) as client:
            return wrong_entries(client, wanted, may_be_newer=True) if is_filled(client) else None
    except redis.RedisError:
        return None


def _what_is_missing(world: World, wanted: Mapping[str, int]) -> str:
    places = (world.stream.arrivals, world.alerts.accepted)
    behind = [f"{place.place}: {', '.join(names[:3])}" for place in places if (names := place.behind(wanted))]
    return f"{'; '.join(behind) or 'rtp has not found the cache complete'}; {world.last_words()}"
