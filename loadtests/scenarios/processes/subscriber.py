"""A subscriber of Redis pub/sub, in a process of its own.

It reads its connection itself: by way of redis-py's PubSub a message costs a third more.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import redis

from loadtests.scenarios.names import CHAIN, KIND
from loadtests.scenarios.processes.child import Orders, run
from loadtests.scenarios.processes.commit_times import CommitTimes
from loadtests.scenarios.processes.event_receiver import EventReceiver
from loadtests.scenarios.processes.tick import Recorder
from rtp_client.keys import channel_pattern
from rtp_client.redis import redis_client

Connection = Any  # of redis-py, which gives its methods no types

_POLL_SECONDS = 1.0
_PAUSE_SECONDS = 0.1


def main() -> None:
    """Subscribe, say so, and receive until told to stop."""
    orders, recorder = Orders(), Recorder()
    plan = orders.plan
    url = plan.settings.redis.url
    assert url is not None
    # The client's own retries would subscribe anew without a word, and what was published meanwhile would be missing.
    # Each message of the newer protocol goes through a handler that looks for its logger first.
    with redis_client(url, protocol=2) as client, CommitTimes(plan, "pubsub", recorder) as commits:
        connection = client.connection_pool.get_connection()
        _subscribe(connection)
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
                message = _read(connection)
            except redis.RedisError as error:
                orders.say({"incident": f"the load test's subscriber lost its connection, and events with it: {error}"})
                _subscribe_again(connection, orders.stopping)
                continue
            if message and message[0] == b"pmessage":
                receiver.receive(message[3], time.time())
        reports.join()
    orders.say({"tick": recorder.take().encoded()})
    orders.say({"receiver": "pubsub", "arrived": vars(receiver.arrivals.arrived())})


def _subscribe(connection: Connection) -> None:
    """Return once the server has confirmed it."""
    connection.send_command("PSUBSCRIBE", channel_pattern(KIND, CHAIN))
    while _read(connection) is None:
        pass


def _read(connection: Connection) -> Any:
    """The next message; None where none has come for a while."""
    try:
        return connection.read_response(timeout=_POLL_SECONDS, disconnect_on_error=False)
    except redis.TimeoutError:
        return None


def _subscribe_again(connection: Connection, stopping: threading.Event) -> None:
    while not stopping.wait(_PAUSE_SECONDS):
        connection.disconnect()
        with suppress(redis.RedisError):
            _subscribe(connection)
            return


if __name__ == "__main__":
    run(main)
