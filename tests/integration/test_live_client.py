"""The client: the same events through the gateway and straight from Redis, none lost and none twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count, islice
from typing import Any

import pytest

from core.gateway.server import GatewayServer
from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from core.stack import EmbeddedStack
from rtp_client import Subscribed
from tests.followed import Follow, sequences, with_asyncio, with_threads
from tests.gateway import serve_settings, serving
from tests.samples import make_event

SEQUENCES = count(1)


@pytest.fixture(scope="module")
def server(stack: EmbeddedStack) -> Iterator[GatewayServer]:
    with serving(serve_settings(stack.addresses.redis_url)) as running:
        yield running


@pytest.fixture(params=["gateway", "redis"])
def url(request: pytest.FixtureRequest, server: GatewayServer, redis_url: str) -> str:
    return server.url if request.param == "gateway" else redis_url


class Delivery:
    """Delivers events as rtp does, each with a sequence that no test before it has used."""

    def __init__(self, sink: RedisSink) -> None:
        self._sink = sink

    def __call__(self, count: int = 1, **columns: Any) -> list[int]:
        """So many events in one batch; their sequences."""
        given = list(islice(SEQUENCES, count))
        self.again(*given, **columns)
        return given

    def again(self, *sequences: int, **columns: Any) -> None:
        self._sink.deliver([make_event(one, **columns) for one in sequences])


@pytest.fixture
def deliver(redis_url: str) -> Iterator[Delivery]:
    with closing(RedisSink(RedisSettings(), url=redis_url, poll_interval_seconds=0.001)) as sink:
        yield Delivery(sink)


@pytest.fixture(params=[with_asyncio, with_threads])
def follow(request: pytest.FixtureRequest) -> Follow:
    made: Follow = request.param
    return made


def test_events_come_as_they_are_delivered(url: str, deliver: Delivery, follow: Follow) -> None:
    with follow(url, kind="tvl", entity=["lido", "aave*"]) as messages:
        begin = next(messages)
        delivered = deliver(2)
        deliver(1, entity="other")
        delivered += deliver(1, entity="aave-v3")
        assert sequences(messages, 3) == delivered
    assert isinstance(begin, Subscribed)
