"""The clients while servers come and go: nothing is lost, nothing comes twice, and who is refused is told."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from contextlib import ExitStack, closing, suppress
from itertools import count
from typing import TYPE_CHECKING

import jwt
import pytest
import redis

from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from core.stack import ports
from rtp_client import (
    Client,
    GatewayRefused,
    LiveEvent,
    ServiceUnavailable,
    SettingsError,
    Subscribed,
    SyncClient,
)
from tests.eventually import eventually
from tests.followed import QUICK, Follow, events, sequences, with_asyncio, with_node, with_threads
from tests.gateway import serve_settings, serving
from tests.rtp_process import rtp
from tests.samples import make_event
from tests.scripted_gateway import event, scripted, subscribed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.gateway.server import GatewayServer

CLIENTS = [with_asyncio, with_threads, with_node]
KEY = "a key of thirty-two bytes or more"
LEEWAY_SECONDS = 5  # so much longer than it says a token is good, as clocks differ


@pytest.fixture
def sink(redis_url: str) -> Iterator[RedisSink]:
    with closing(RedisSink(RedisSettings(), url=redis_url, poll_interval_seconds=0.001)) as made:
        yield made


class Writer(threading.Thread):
    """Delivers an event every few milliseconds while the block lasts; one that failed is delivered again."""

    def __init__(self, sink: RedisSink) -> None:
        super().__init__()
        self.written = 0
        self._sink = sink
        self._ended = threading.Event()

    def __enter__(self) -> Writer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        for sequence in count(1):
            self.write(sequence)
            if self._ended.wait(0.005):
                return

    def write(self, sequence: int) -> None:
        while self.written < sequence:
            with suppress(ServiceUnavailable):
                self._sink.deliver([make_event(sequence)])
                self.written = sequence

    def wait_for_more(self) -> None:
        before = self.written
        eventually(lambda: self.written >= before + 20)


class Follower(threading.Thread):
    """A client that notes the sequences of its events, up to a last one."""

    def __init__(self, follow: Follow, url: str) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.last: int | None = None
        self._follow, self._url = follow, url

    def run(self) -> None:
        with self._follow(self._url, resume="0") as messages:
            for one in events(messages):
                self.seen.append(int(one.event.sequence))
                if self.seen[-1] == self.last:
                    return

    def is_at(self, sequence: int) -> bool:
        return bool(self.seen) and self.seen[-1] >= sequence


def test_servers_that_are_killed_stopped_and_cut_off_cost_no_event(redis_url: str, sink: RedisSink) -> None:
    port = ports.free_port()
    listen, url = f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"
    followers = [
        *(Follower(follow, url) for follow in CLIENTS),
        *(Follower(follow, redis_url) for follow in (with_asyncio, with_threads)),
    ]

    def all_follow() -> None:
        so_far = writer.written
        eventually(lambda: all(one.is_at(so_far) for one in followers))

    with redis.Redis.from_url(redis_url) as client, Writer(sink) as writer:
        with rtp("serve", "--redis-url", redis_url, "--listen", listen) as gateway:
            gateway.wait_for(url)
            for follower in followers:
                follower.start()
            all_follow()
            gateway.end(signal.SIGKILL)
        writer.wait_for_more()
        with serving(serve_settings(redis_url, listen=listen, drain_seconds=0.2)):
            all_follow()
            client.client_kill_filter(_type="normal", skipme=True)
            writer.wait_for_more()
            all_follow()
        writer.wait_for_more()
        with serving(serve_settings(redis_url, listen=listen)):
            all_follow()
            last = writer.written + 1_000_000
            for follower in followers:
                follower.last = last
            writer.__exit__()
            total = writer.written
            writer.write(last)
            for follower in followers:
                follower.join(30)
    assert [one.seen for one in followers] == [[*range(1, total + 1), last]] * len(followers)


def test_whether_events_can_come_is_told_of_the_connection_and_of_the_gateway_s_own() -> None:
    upstream = {"type": "upstream", "message": "connect again, or wait until it is tried again"}
    first = [subscribed(), {**upstream, "state": "lost"}, event(1, 1), {**upstream, "state": "back"}, event(9, 9)]
    second = [{**upstream, "state": "lost"}, subscribed(1, resumed=True), event(1, 2)]
    third = [subscribed(2, resumed=True), event(1, 3)]
    told: list[bool] = []
    with (
        scripted(first, [*second, event(9, 9)], third) as (url, _),
        SyncClient(url, on_live=told.append, backoff=QUICK) as client,
    ):
        received = client.events()
        so_far = []
        for _ in range(3):
            next(received)
            so_far.append(list(told))
    # The second connection is there, but its gateway has lost Redis.
    assert so_far == [[False], [False, True, False], [False, True, False, True]]


@pytest.fixture(scope="module")
def guarded(module_redis_url: str) -> Iterator[GatewayServer]:
    """A gateway that asks for a token."""
    with serving(serve_settings(module_redis_url, jwt={"key": KEY})) as running:
        yield running


def token(seconds: float) -> str:
    """A token that is good for so long."""
    return jwt.encode({"exp": time.time() + seconds - LEEWAY_SECONDS}, KEY, algorithm="HS256")


def test_a_token_that_is_over_is_replaced_by_the_next_one(guarded: GatewayServer, sink: RedisSink) -> None:
    with ExitStack() as stack:
        # Each is signed as it is asked for; on a busy machine it takes seconds from there to the subscription.
        following = [
            stack.enter_context(follow(guarded.url, tokens=(token(seconds) for seconds in (8, 60))))
            for follow in CLIENTS
        ]
        begins = [next(messages) for messages in following]
        again = [next(messages) for messages in following]
        sequence = time.time_ns()
        sink.deliver([make_event(sequence)])
        assert [sequences(messages, 1) for messages in following] == [[sequence]] * len(CLIENTS)
    assert all(isinstance(begin, Subscribed) for begin in begins)
    assert [isinstance(begin, Subscribed) and begin.is_resumed for begin in again] == [True] * len(CLIENTS)


@pytest.mark.parametrize("follow", CLIENTS)
@pytest.mark.parametrize("bad", ["nonsense", token(-60)])
def test_a_token_that_is_refused_is_not_tried_again_and_never_logged(
    guarded: GatewayServer, follow: Follow, bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with follow(guarded.url, tokens=[bad]) as messages, pytest.raises(GatewayRefused, match="token") as caught:
        next(messages)
    assert caught.value.code == "unauthorized"
    assert bad not in caplog.text + str(caught.value)


@pytest.mark.parametrize("follow", [with_asyncio, with_threads])
def test_a_gateway_that_is_not_there_is_said_at_once(follow: Follow) -> None:
    with (
        follow(f"http://127.0.0.1:{ports.free_port()}") as messages,
        pytest.raises(ServiceUnavailable, match="gives no connection"),
    ):
        next(messages)


@pytest.mark.parametrize("follow", [with_asyncio, with_threads])
@pytest.mark.parametrize(
    ("url", "wanted", "message"),
    [
        ("ftp://rtp.example", {}, "ftp://rtp.example is no address of a gateway or of Redis"),
        ("https://rtp.example", {"severity": "high"}, "filter.severity: must be one of info, warning, critical"),
        ("https://rtp.example", {"token": "eth"}, "filter.token: is no part of a filter"),
        ("https://rtp.example", {"resume": "yesterday"}, "resume: a position is the text that came with an event"),
        ("https://rtp.example", {"slow": "never"}, "slow: must be conflate or disconnect, not 'never'"),
    ],
)
def test_what_can_be_nothing_is_said_before_anybody_is_asked(
    follow: Follow, url: str, wanted: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError, match=message), follow(url, **wanted):
        pass


def test_what_javascript_asks_wrongly_is_said_by_the_gateway(guarded: GatewayServer) -> None:
    with (
        with_node(guarded.url, tokens=[token(60)], severity="high") as messages,
        pytest.raises(GatewayRefused, match="must be one of info, warning, critical"),
    ):
        next(messages)


@pytest.mark.parametrize("where", ["gateway", "redis"])
def test_close_ends_an_iteration_from_elsewhere(guarded: GatewayServer, redis_url: str, where: str) -> None:
    url = guarded.url if where == "gateway" else redis_url

    with SyncClient(url, token(60)) as client:
        messages = client.messages()
        next(messages)
        thread = threading.Thread(target=client.close)
        thread.start()
        assert list(messages) == []
        thread.join()

    async def follow_until_closed() -> list[LiveEvent]:
        async with Client(url, token(60)) as client:
            messages = client.messages()
            await anext(messages)
            asyncio.get_running_loop().call_soon(asyncio.ensure_future, client.close())
            return [one async for one in messages if isinstance(one, LiveEvent)]

    assert asyncio.run(follow_until_closed()) == []


def test_close_ends_an_iteration_that_is_being_connected(guarded: GatewayServer) -> None:
    def close_meanwhile() -> str:
        client.close()
        return token(60)

    client = SyncClient(guarded.url, close_meanwhile)
    assert list(client.messages()) == []

    async def close_while_connecting() -> list[LiveEvent]:
        def close_meanwhile() -> str:
            asyncio.run_coroutine_threadsafe(client.close(), loop).result()
            return token(60)

        loop = asyncio.get_running_loop()
        client = Client(guarded.url, close_meanwhile)
        return [one async for one in client.events()]

    assert asyncio.run(close_while_connecting()) == []
