"""Readers of the cache, in a process of their own: some entities are asked for far more often than others (Zipf)."""

from __future__ import annotations

import random
import threading
import time
from itertools import accumulate

import redis

from core.keys import cache_key
from loadtests.child import Orders, seconds_until
from loadtests.place import CHAIN, KIND
from loadtests.scenarios import find_scenario
from loadtests.tick import Recorder

READS_PER_SECOND = 200
_EXPONENT = 1.1


def main() -> None:
    """Read on schedule until told to stop; a hit is an entity that the cache holds."""
    orders, recorder = Orders(), Recorder()
    plan, chance = orders.plan, random.Random(1)
    entities = [f"p{number}" for number in range(find_scenario(plan.scenario).entities)]
    chance.shuffle(entities)
    weights = list(accumulate(1 / rank**_EXPONENT for rank in range(1, len(entities) + 1)))
    assert plan.redis_url is not None
    with redis.Redis.from_url(plan.redis_url) as client:
        client.ping()
        start_time = orders.wait_for_start()
        reports = threading.Thread(target=orders.report, args=(recorder,))
        reports.start()
        number = 0
        while not orders.stopping.is_set() and number < plan.seconds * READS_PER_SECOND:
            offset = number / READS_PER_SECOND
            number += 1
            if orders.stopping.wait(seconds_until(start_time + offset)):
                break
            entity = chance.choices(entities, cum_weights=weights)[0]
            is_hit = client.hget(cache_key(KIND, CHAIN, entity), "event") is not None
            recorder.latency("cache", int(offset), (time.time() - start_time - offset) * 1000)
            recorder.count("cache hit" if is_hit else "cache miss", int(offset))
        orders.stopping.wait()
        reports.join()
        orders.say({"tick": recorder.take().encoded()})


if __name__ == "__main__":
    main()
