"""A reader of Redis's stream of events, in a process of its own.

Pub/sub promises nothing to a subscriber that stumbles; the stream keeps what was published. What both miss, rtp lost.
"""

from __future__ import annotations

import redis

from loadtests.scenarios.processes.child import Orders, run
from loadtests.scenarios.processes.received_event import decode
from loadtests.scenarios.write_mark import find_mark
from loadtests.shared.arrivals import Arrivals
from rtp_client.redis import redis_client
from rtp_client.stream.entries import BEGINNING, entries, last_entry

_PAUSE_SECONDS = 0.5  # nobody waits for it: long enough to cost little


def main() -> None:
    """Note where the stream ends, say so, and read on from there until told to stop."""
    orders, arrivals = Orders(), Arrivals("stream")
    url = orders.plan.settings.redis.url
    assert url is not None
    with redis_client(url) as client:
        newest = last_entry(client)
        position = newest.id if newest else BEGINNING
        start_time, is_last = orders.wait_for_start(), False
        while not is_last:
            is_last = orders.stopping.wait(_PAUSE_SECONDS)
            try:
                for entry in entries(client, after=position):
                    position = entry.id
                    _note(arrivals, entry.document, start_time)
            except redis.RedisError as error:  # the next look goes on where this one ended
                orders.say({"incident": f"the load test's reader of the stream lost its connection: {error}"})
    orders.say({"receiver": "stream", "arrived": vars(arrivals.arrived())})


def _note(arrivals: Arrivals, document: bytes, start_time: float) -> None:
    if (event := decode(document)) is None:
        return
    mark = find_mark(event.data.chain, event.data.provenance)
    if mark is not None and mark.second(start_time) >= 0:
        arrivals.note(event.data.entity, mark.number)


if __name__ == "__main__":
    run(main)
