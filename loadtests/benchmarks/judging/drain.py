"""How fast `rtp run` judges samples that wait, alone and beside events that it delivers meanwhile."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from loadtests.benchmarks.judging.watched_history import ENTITIES
from loadtests.benchmarks.percentiles import percentiles_ms
from loadtests.benchmarks.pgbench import Pgbench, finish
from loadtests.benchmarks.spine.receivers import Receivers, subscribe
from loadtests.benchmarks.watched_demo import QUERIES
from rtp_client.keys import channel_pattern

if TYPE_CHECKING:
    from loadtests.benchmarks.judging.watched_history import WatchedHistory

_WARM_UP_SECONDS = 2
# The events go on for as long as judging at this rate would take.
_LEAST_SAMPLES_PER_SECOND = 4000


def judged_per_second(history: WatchedHistory, kind: str, samples: int) -> int:
    """Of samples that were appended by one statement; from the first ones judged to the last."""
    history.judge_all()
    history.append(kind, samples)
    with history.rtp() as (_, judged):
        started, first = judged.wait_for(1)
        ended, last = judged.wait_for(samples)
    return round((last - first) / (ended - started))


def judged_beside_events(history: WatchedHistory, kind: str, samples: int, rate: int) -> dict[str, float]:
    """The same while so many updates a second of the demo's table become events, and how late subscribers get those."""
    history.judge_all()
    update, addresses = QUERIES["change_one"].decode(), history.demo.addresses
    writer = Pgbench(addresses.postgres_dsn, ENTITIES)
    receivers = Receivers()
    receivers.start("events", subscribe, addresses.redis_url, channel_pattern("tvl", "bench"))
    with history.rtp() as (_, judged):
        receivers.wait_for("events", writer.run(update, _WARM_UP_SECONDS, rate).transactions)
        since, before = time.time(), judged.now()
        writing = writer.start(update, math.ceil(samples / _LEAST_SAMPLES_PER_SECOND), rate)
        history.append(kind, samples)
        started, first = judged.wait_for(before + 1)
        ended, last = judged.wait_for(before + samples)
        finish(writing)
    return {
        "judged_per_second": round((last - first) / (ended - started)),
        **percentiles_ms("event_to_subscriber_", receivers.latencies(since)["events"]),
    }
