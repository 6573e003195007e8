"""The hub with a real Redis: what its clients are sent, and when."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
import redis

from core.errors import ServiceUnavailable
from core.gateway.hub import Hub
from core.gateway.index import Addressees
from core.gateway.newest_values import NewestValues
from core.gateway.outlet import CloseCode
from core.gateway.reach import EVERYTHING
from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from rtp_client.cache.async_reader import AsyncCacheReader
from rtp_client.event_filter import EventFilter
from rtp_client.keys import STREAM
from tests.gateway import answer_of, live_client, serve_settings, serving
from tests.recording_outlet import RecordingOutlet
from tests.samples import make_event

Deliver = Callable[..., object]


@pytest.fixture
def deliver(redis_url: str) -> Iterator[Deliver]:
    """Delivers events of these sequences, in one batch, as rtp does."""
    with closing(RedisSink(RedisSettings(), url=redis_url, poll_interval_seconds=0.001)) as sink:
        yield lambda *sequences, **columns: sink.deliver([make_event(number, **columns) for number in sequences])


@asynccontextmanager
async def hub_of(redis_url: str, **options: Any) -> AsyncIterator[Hub]:
    given: dict[str, Any] = {
        "window": 1000,
        "queue": 100,
        "subscriptions": 10,
        "ping_seconds": 20,
        "message_bytes": 65536,
        "messages_per_second": 50,
        **options,
    }
    async with Hub(redis_url, **given) as hub:
        yield hub


def run(steps: Coroutine[Any, Any, None]) -> None:
    asyncio.run(steps, debug=False)


def test_a_live_subscription_is_sent_what_it_asked_for_from_its_position_on(redis_url: str, deliver: Deliver) -> None:
    async def steps() -> None:
        deliver(1, 2)
        async with hub_of(redis_url) as hub:
            client = RecordingOutlet(hub)
            client.subscribe("a", filter={"entity": "li*"}, snapshot=False)
            client.subscribe("b", filter={"kind": "price"}, snapshot=False)
            await client.next("subscribed", 2)
            deliver(3, entity="lido")
            deliver(4, entity="aave")
            deliver(5, entity="Lido")
            await client.next("event", 2)
            assert [one["type"] for one in client.sent] == ["welcome", "subscribed", "subscribed", "event", "event"]
            assert client.of_type("subscribed")[0]["sequence"] == 2
            assert client.sequences("a") == [3, 5]
            assert [one["n"] for one in client.of_type("event")] == [1, 2]

    run(steps())


def test_a_snapshot_comes_first_and_events_go_on_from_it(redis_url: str, deliver: Deliver) -> None:
    async def steps() -> None:
        deliver(1, entity="aave")
        deliver(2, entity="lido")
        async with hub_of(redis_url) as hub:
            client = RecordingOutlet(hub)
            client.subscribe("a", filter={"kind": "tvl"})
            deliver(3, entity="lido", current="120")
            snapshot = await client.next("snapshot")
            deliver(4, entity="lido")
            await client.until(lambda _: client.sequences()[-1:] == [4])
            assert snapshot["done"]
            held = {one["entity"]: one["sequence"] for one in snapshot["entries"]}
            assert held["aave"] == 1
            assert client.sequences() == list(range(held["lido"] + 1, 5))

    run(steps())


def test_a_client_that_comes_back_goes_on_where_it_was(redis_url: str, deliver: Deliver) -> None:
    async def steps() -> None:
        deliver(*range(1, 1200))
        async with hub_of(redis_url, window=100) as hub:
            client = RecordingOutlet(hub)
            client.subscribe("a", snapshot=False, resume="0")
            await client.next("event", 1199)
            assert client.sequences() == list(range(1, 1200))
            for seen in (3, 700, 1150, 1199):
                back = RecordingOutlet(hub)
                back.subscribe("a", resume=client.of_type("event")[seen - 1]["position"])
                assert (await back.next("subscribed"))["resumed"]
                if seen < 1199:
                    await back.next("event", 1199 - seen)
                assert back.sequences() == list(range(seen + 1, 1200))
                assert not back.of_type("snapshot")
            assert (hub.counts.resumed, hub.counts.reset) == (5, 0)

    run(steps())


def test_a_slow_client_has_the_newest_of_each_entity_and_knows_how_many_it_has_not(
    redis_url: str, deliver: Deliver
) -> None:
    async def steps() -> None:
        async with hub_of(redis_url, queue=5) as hub:
            slow, quick = RecordingOutlet(hub, room=3), RecordingOutlet(hub)
            for client in (slow, quick):
                client.subscribe(snapshot=False)
                await client.next("subscribed")
            deliver(*range(1, 10), entity="lido")
            deliver(10, entity="aave")
            await quick.next("event", 10)
            assert quick.sequences() == list(range(1, 11))
            slow.read()
            assert [(one["n"], one.get("skipped")) for one in slow.of_type("event")] == [(1, None), (9, 7), (10, None)]
            assert slow.sequences() == [1, 9, 10]

    run(steps())


def test_a_slow_client_that_wants_nothing_left_out_is_disconnected(redis_url: str, deliver: Deliver) -> None:
    async def steps() -> None:
        async with hub_of(redis_url, queue=5) as hub:
            slow = RecordingOutlet(hub, room=3)
            slow.subscribe(snapshot=False, slow="disconnect")
            await slow.next("subscribed")
            deliver(*range(1, 10), entity="lido")
            await slow.until(lambda outlet: outlet.closed)
            assert slow.closed == (1013, "too slow: 5 messages waited to be read")
            assert not hub.sessions

    run(steps())


def test_a_slow_client_too_is_told_to_connect_again_before_the_gateway_ends(redis_url: str, deliver: Deliver) -> None:
    async def steps() -> None:
        async with hub_of(redis_url) as hub:
            slow, quick = RecordingOutlet(hub, room=2), RecordingOutlet(hub)
            for client in (slow, quick):
                client.subscribe(snapshot=False)
                await client.next("subscribed")
            deliver(1)
            await quick.next("event")
            hub.drain(1000, "connect again")
            assert [one["type"] for one in slow.sent] == ["welcome", "subscribed", "reconnect"]

    run(steps())


def test_a_reading_of_the_values_that_failed_is_soon_tried_again_however_long_it_took(redis_url: str) -> None:
    async def steps(address: str) -> None:
        silent = AsyncCacheReader(address, timeout_seconds=0.3)
        async with hub_of(redis_url, values=NewestValues(silent, silent)) as hub:
            hub.known.note(("tvl", "ethereum", "lido"))
            snapshot = hub.snapshots.ask()
            with pytest.raises(ServiceUnavailable):
                await snapshot.entries_for(Addressees(EventFilter(), EVERYTHING))
            assert snapshot.fresh_until is not None
            assert snapshot.fresh_until <= asyncio.get_running_loop().time() + 1

    with socket.create_server(("127.0.0.1", 0)) as accepting:
        run(steps(f"redis://127.0.0.1:{accepting.getsockname()[1]}"))


def test_clients_are_told_once_where_the_stream_was_lost_and_begin_anew(redis_url: str, deliver: Deliver) -> None:
    async def steps() -> None:
        deliver(1)
        async with hub_of(redis_url) as hub:
            client = RecordingOutlet(hub)
            client.subscribe()
            await client.next("snapshot")
            with redis.Redis.from_url(redis_url) as store:
                store.delete(STREAM)
            reset = await client.next("reset")
            assert (reset["reason"], reset["message"]) == ("stream_lost", "the stream is gone from Redis")
            await client.next("snapshot", 2)
            deliver(2)
            await client.next("event")
            assert client.sequences() == [2]
            assert len(client.of_type("reset")) == 1

    run(steps())


def test_a_client_that_is_too_slow_is_ended_and_no_other_notices(redis_url: str, deliver: Deliver) -> None:
    async def steps() -> None:
        async with hub_of(redis_url, queue=3) as hub:
            slow, quick = RecordingOutlet(hub, room=3), RecordingOutlet(hub)
            slow.subscribe("a", snapshot=False, filter={"entity": "lido"}, slow="disconnect")
            slow.subscribe("b", snapshot=False, filter={"kind": "tvl"})
            await slow.next("subscribed", 2)
            slow.read(1)
            quick.subscribe("a", snapshot=False, filter={"entity": "li*"})
            await quick.next("subscribed")
            for number in range(1, 20):
                deliver(number)
            await quick.next("event", 19)
            assert quick.sequences() == list(range(1, 20))
            assert slow.closed is not None
            assert slow.closed[0] == CloseCode.TOO_SLOW

    run(steps())


def test_a_redis_that_has_lost_its_newest_entries_is_told_though_it_has_newer_ones(
    redis_url: str, deliver: Deliver
) -> None:
    async def steps() -> None:
        deliver(1)
        deliver(2)
        deliver(3)
        async with hub_of(redis_url) as hub:
            client = RecordingOutlet(hub)
            client.subscribe(snapshot=False)
            await client.next("subscribed")
            with redis.Redis.from_url(redis_url) as store, store.pipeline() as at_once:
                first, _, third = store.xrange(STREAM)
                later = f"{int(third[0].partition(b'-')[0]) + 1}-0"
                at_once.delete(STREAM).xadd(STREAM, first[1], first[0]).xadd(STREAM, third[1], later).execute()
            assert (await client.next("reset"))["reason"] == "stream_lost"
            assert hub.counts.reset == 1
            deliver(4)
            await client.next("event")
            assert client.sequences() == [4]

    run(steps())


def test_a_gateway_that_a_defect_has_ended_asks_to_be_restarted(
    redis_url: str, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    with serving(serve_settings(redis_url)) as server, live_client(server) as client:
        client.subscribe()
        assert answer_of(server, "/healthz").status == 200
        monkeypatch.setattr(Hub, "arrived", fail)
        deliver(1)
        assert client.closed() == (1011, "a defect in rtp; the server's log has it")
        assert answer_of(server, "/healthz").status == 503
