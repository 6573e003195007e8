"""A subscriber of Redis pub/sub, in a process of its own."""

from __future__ import annotations

import threading
import time

import redis

from core.keys import channel_pattern
from loadtests.child import Orders
from loadtests.place import CHAIN, KIND
from loadtests.receipt import Receipts
from loadtests.tick import Recorder

_POLL_SECONDS = 0.2


def main() -> None:
    """Subscribe, say so, and receive until told to stop."""
    orders, recorder = Orders(), Recorder()
    plan = orders.plan
    url = plan.settings.redis.url
    assert url is not None
    with redis.Redis.from_url(url) as client, client.pubsub() as subscription:
        subscription.psubscribe(channel_pattern(KIND, CHAIN))
        while not subscription.subscribed:
            subscription.get_message(timeout=_POLL_SECONDS)
        start_time = orders.wait_for_start()
        receipts = Receipts("pubsub", recorder, start_time=start_time, clock_ahead_seconds=plan.clock_ahead_seconds)
        reports = threading.Thread(target=orders.report, args=(recorder,))
        reports.start()
        while not orders.stopping.is_set():
            message = subscription.get_message(timeout=_POLL_SECONDS)
            if message and message["type"] == "pmessage":
                receipts.note(message["data"], time.time())
        reports.join()
        orders.say({"tick": recorder.take().encoded()})
        orders.say({"ledger": receipts.ledger.encoded()})


if __name__ == "__main__":
    main()
