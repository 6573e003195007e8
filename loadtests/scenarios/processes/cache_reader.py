"""Readers of the cache, in a process of their own: some entities are asked for far more often than others (Zipf).

They read as services do, with rtp's own reader: what the cache lacks comes from the table, and is put into the cache.
"""

from __future__ import annotations

import random
import threading
import time
from itertools import accumulate

from core.cache.readers import cache_reader
from core.errors import ServiceUnavailable
from loadtests.scenarios.clock import seconds_until
from loadtests.scenarios.names import CHAIN, KIND
from loadtests.scenarios.processes.child import Orders, run
from loadtests.scenarios.processes.tick import Recorder
from loadtests.scenarios.scenario import find_scenario
from rtp_client import CacheReader, Source

READS_PER_SECOND = 100
_EXPONENT = 1.1


def main() -> None:
    """Read on schedule until told to stop; a hit is an answer from the cache."""
    orders, recorder = Orders(), Recorder()
    plan, chance = orders.plan, random.Random(1)
    entities = [f"p{number}" for number in range(find_scenario(plan.scenario).entities)]
    chance.shuffle(entities)
    weights = list(accumulate(1 / rank**_EXPONENT for rank in range(1, len(entities) + 1)))
    # Not counted: on a configured stack `rtp cache stats` is about its users' reads.
    with cache_reader(plan.settings, is_counted=False) as reader:
        reader.get(KIND, CHAIN, entities[0])
        start_time = orders.wait_for_start()
        reports = threading.Thread(target=orders.report, args=(recorder,))
        reports.start()
        number = 0
        while not orders.stopping.is_set() and number < plan.seconds * READS_PER_SECOND:
            offset = number / READS_PER_SECOND
            number += 1
            time.sleep(seconds_until(start_time + offset))
            entity = chance.choices(entities, cum_weights=weights)[0]
            found = _read(reader, entity)
            recorder.latency("cache", int(offset), (time.time() - start_time - offset) * 1000)
            recorder.count(found, int(offset))
        orders.stopping.wait()
        reports.join()
        orders.say({"tick": recorder.take().encoded()})


def _read(reader: CacheReader, entity: str) -> str:
    """What to count; every entity is in the table, so there is an answer as long as a server gives one."""
    try:
        entry = reader.get(KIND, CHAIN, entity)
    except ServiceUnavailable:
        return "cache miss"
    return "cache hit" if entry is not None and entry.source is Source.CACHE else "cache miss"


if __name__ == "__main__":
    run(main)
