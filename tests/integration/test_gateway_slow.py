"""Clients that do not read, over real sockets: every event is sent or counted, and nobody else waits."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed

from core.gateway.server import GatewayServer
from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from tests.eventually import eventually
from tests.gateway import LiveClient, answer_of, live_client, serve_settings, serving
from tests.samples import make_event

EVENTS, BATCH, QUEUE = 2000, 100, 200
FILLER = "x" * 300  # sooner than it would be, all that is between the two is full


@pytest.fixture
def server(redis_url: str) -> Iterator[GatewayServer]:
    with serving(serve_settings(redis_url, limits={"queue": QUEUE})) as running:
        eventually(lambda: answer_of(running, "/readyz").status == 200)
        yield running


@contextmanager
def slow_client(server: GatewayServer) -> Iterator[LiveClient]:
    """A client whose system takes little for it."""
    place = urlsplit(server.url)
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect((place.hostname, place.port))
    with live_client(server, sock=small, max_queue=1) as client:
        yield client


def test_a_client_that_falls_behind_is_told_how_many_were_left_out_or_is_ended_with_the_reason(
    server: GatewayServer, redis_url: str
) -> None:
    with (
        closing(RedisSink(RedisSettings(), url=redis_url, poll_interval_seconds=0.001)) as sink,
        live_client(server) as quick,
        slow_client(server) as conflated,
        slow_client(server) as strict,
    ):
        for client in (quick, conflated):
            client.subscribe(filter={"entity": "slow"})
        strict.subscribe(filter={"entity": "slow"}, slow="disconnect")
        for start in range(1, EVENTS + 1, BATCH):
            sink.deliver([make_event(n, "slow", provenance=FILLER) for n in range(start, start + BATCH)])
            assert [quick.next("event")["n"] for _ in range(BATCH)] == list(range(start, start + BATCH))

        last, received, skipped = 0, 0, 0
        while last < EVENTS:
            event = conflated.next("event")
            assert event["n"] == last + 1 + event.get("skipped", 0)
            last, received, skipped = event["n"], received + 1, skipped + event.get("skipped", 0)
        assert int(event["event"]["sequence"]) == EVENTS
        assert received + skipped == EVENTS
        assert skipped > 0

        numbers = []
        with pytest.raises(ConnectionClosed) as ended:
            while True:
                message = json.loads(strict.socket.recv(timeout=30))
                numbers += [message["n"]] if message["type"] == "event" else []
        assert numbers == list(range(1, len(numbers) + 1))
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1013
        assert "too slow" in ended.value.rcvd.reason
