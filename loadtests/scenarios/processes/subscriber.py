"""A subscriber of Redis pub/sub, in a process of its own."""

from __future__ import annotations

import threading
import time

import redis
from redis.client import PubSub

from core.settings.models import postgres_dsn
from loadtests.scenarios.names import CHAIN, KIND
from loadtests.scenarios.processes.child import Orders
from loadtests.scenarios.processes.commit_times import CommitTimes
from loadtests.scenarios.processes.event_receiver import EventReceiver
from loadtests.scenarios.processes.tick import Recorder
from rtp_client.keys import channel_pattern
from rtp_client.redis import redis_client

_POLL_SECONDS = 1.0  # longer than a message that has begun can take to end: the client gives up the connection then
_PAUSE_SECONDS = 0.1


def main() -> None:
    """Subscribe, say so, and receive until told to stop."""
    orders, recorder = Orders(), Recorder()
    plan = orders.plan
    url = plan.settings.redis.url
    assert url is not None
    # The client's own retries would subscribe anew without a word, and what was published meanwhile would be missing.
    with redis_client(url) as client, CommitTimes(postgres_dsn(plan.settings), "pubsub", recorder) as commits:
        subscription = _subscribe(client)
        start_time = orders.wait_for_start()
        receiver = EventReceiver(
            *("pubsub", recorder),
            start_time=start_time,
            clock_ahead_seconds=plan.clock_ahead_seconds,
            on_arrival=commits.note,
        )
        reports = threading.Thread(target=orders.report, args=(recorder,))
        reports.start()
        while not orders.stopping.is_set():
            try:
                message = subscription.get_message(timeout=_POLL_SECONDS)
            except redis.RedisError as error:
                orders.say({"incident": f"the load test's subscriber lost its connection, and events with it: {error}"})
                if (again := _subscribe_again(client, orders.stopping)) is not None:
                    subscription = again
                continue
            if message and message["type"] == "pmessage":
                receiver.receive(message["data"], time.time())
        reports.join()
    orders.say({"tick": recorder.take().encoded()})
    orders.say({"receiver": "pubsub", "arrived": vars(receiver.arrivals.arrived())})


def _subscribe(client: redis.Redis) -> PubSub:
    """A subscription that the server has confirmed."""
    subscription = PubSub(client.connection_pool)
    subscription.psubscribe(channel_pattern(KIND, CHAIN))
    while subscription.get_message(timeout=_POLL_SECONDS) is None:
        pass
    return subscription


def _subscribe_again(client: redis.Redis, stopping: threading.Event) -> PubSub | None:
    while not stopping.wait(_PAUSE_SECONDS):
        try:
            return _subscribe(client)
        except redis.RedisError:
            continue
    return None


if __name__ == "__main__":
    main()
