"""The clients: the same messages through the gateway and straight from Redis, none lost and none twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count, islice
from typing import Any, NamedTuple

import pytest
import redis

from core.gateway.server import GatewayServer
from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from rtp_client import Gap, GapReason, LiveEntry, Position, SnapshotPage, Subscribed
from tests.followed import Follow, events, sequences, with_asyncio, with_node, with_threads
from tests.gateway import serve_settings, serving
from tests.samples import make_event

SEQUENCES = count(1_000)
KEY = "a key of thirty-two bytes or more"


class Way(NamedTuple):
    """A client, and an address that it follows."""

    follow: Follow
    url: str


@pytest.fixture(scope="module")
def server(module_redis_url: str) -> Iterator[GatewayServer]:
    with serving(serve_settings(module_redis_url)) as running:
        yield running


@pytest.fixture(
    params=[
        (with_asyncio, "gateway"),
        (with_threads, "gateway"),
        (with_node, "gateway"),
        (with_asyncio, "redis"),
        (with_threads, "redis"),
    ],
    ids=lambda param: f"{param[0].__name__}-{param[1]}",
)
def way(request: pytest.FixtureRequest, server: GatewayServer, module_redis_url: str) -> Way:
    follow, where = request.param
    return Way(follow, server.url if where == "gateway" else module_redis_url)


class Delivery:
    """Delivers events as rtp does, each with a sequence that no test before it has used."""

    def __init__(self, sink: RedisSink) -> None:
        self._sink = sink

    def __call__(self, number: int = 1, **columns: Any) -> list[int]:
        """So many events in one batch; their sequences."""
        given = list(islice(SEQUENCES, number))
        self.again(*given, **columns)
        return given

    def again(self, *given: int, **columns: Any) -> None:
        """The same, of sequences that are given."""
        self._sink.deliver([make_event(one, **columns) for one in given])


@pytest.fixture
def deliver(module_redis_url: str) -> Iterator[Delivery]:
    with closing(RedisSink(RedisSettings(), url=module_redis_url, poll_interval_seconds=0.001)) as sink:
        yield Delivery(sink)


@pytest.fixture
def name() -> str:
    """An entity's that no other test has."""
    return f"entity-{next(SEQUENCES)}"


def test_events_that_are_wanted_come_as_they_are_delivered(way: Way, deliver: Delivery) -> None:
    wanted: dict[str, Any] = {
        "kind": "tvl",
        "entity": ["lido", "aave*"],
        "severity": "warning",
        "reason": "deviation",
        "min_pct": 2,
    }
    with way.follow(way.url, **wanted) as messages:
        begin = next(messages)
        delivered = deliver(2, severity="warning")
        deliver(1, severity="warning", entity="other")
        deliver(1, severity="info")
        deliver(1, severity="critical", change_pct="1.99")
        delivered += deliver(1, severity="critical", entity="aave-v3")
        assert sequences(messages, 3) == delivered
    assert isinstance(begin, Subscribed)


def test_a_position_resumes_whichever_way_it_came(way: Way, deliver: Delivery, module_redis_url: str) -> None:
    with with_threads(module_redis_url) as messages:
        next(messages)
        delivered = deliver(4)
        straight = list(islice(events(messages), 2))[-1].position
    with way.follow(way.url, resume=straight) as messages:
        assert next(messages) == Subscribed(straight, is_resumed=True)
        third = next(events(messages))
        deliver.again(*delivered)
        assert [int(third.event.sequence), *sequences(messages, 1)] == delivered[2:]
    with with_threads(module_redis_url, resume=str(third.position)) as messages:
        assert sequences(messages, 1) == delivered[3:]


def test_zero_resumes_before_all_that_redis_holds(way: Way, deliver: Delivery, name: str) -> None:
    delivered = deliver(3, entity=name)
    with way.follow(way.url, resume="0", entity=name) as messages:
        assert sequences(messages, 3) == delivered


def test_a_redelivered_event_comes_once(way: Way, deliver: Delivery) -> None:
    with way.follow(way.url) as messages:
        next(messages)
        delivered = deliver(2)
        deliver.again(*delivered)
        delivered += deliver()
        assert sequences(messages, 3) == delivered


def test_a_snapshot_comes_first_and_all_that_is_not_in_it_follows(way: Way, deliver: Delivery, name: str) -> None:
    delivered = [*deliver(current="7", entity=name), *deliver(current="8", entity=f"{name}-too")]
    with way.follow(way.url, entity=[name, f"{name}-too"], snapshot=True) as messages:
        begin, page = next(messages), next(messages)
        later = deliver(current="9", entity=name)
        assert isinstance(page, SnapshotPage)
        # A gateway's snapshot may be a second old: what came since then comes as events.
        assert [*(one.sequence for one in page.entries), *sequences(messages, 3 - len(page.entries))] == [
            *delivered,
            *later,
        ]
    assert isinstance(begin, Subscribed)


def test_an_entry_says_what_is_known_of_an_entity(way: Way, deliver: Delivery, name: str) -> None:
    [held] = deliver(current="7", entity=name)
    entries: list[LiveEntry] = []
    while not entries:  # a gateway's snapshot may be a second old
        with way.follow(way.url, entity=name, snapshot=True) as messages:
            entries += next(one for one in messages if isinstance(one, SnapshotPage)).entries
    [entry] = entries
    assert (entry.chain, entry.entity, entry.value, entry.sequence, entry.log) == ("ethereum", name, "7", held, "test")
    assert entry.event == make_event(held, name, current="7")


def test_an_empty_snapshot_is_said(way: Way, deliver: Delivery) -> None:
    deliver()
    with way.follow(way.url, entity="nobody", snapshot=True) as messages:
        next(messages)
        assert next(messages) == SnapshotPage((), is_first=True, is_last=True)


@pytest.mark.parametrize(("log", "reason"), [("test", GapReason.TOO_OLD), ("other", GapReason.ANOTHER_LOG)])
def test_a_position_that_redis_no_longer_holds_is_a_gap_and_a_new_snapshot(
    way: Way, deliver: Delivery, name: str, log: str, reason: GapReason
) -> None:
    deliver()
    with way.follow(way.url, resume=Position(log, 5, "5-1"), entity=name, snapshot=True) as messages:
        begin, gap, page = islice(messages, 3)
        delivered = deliver(entity=name)
        assert sequences(messages, 1) == delivered
    assert isinstance(begin, Subscribed)
    assert not begin.is_resumed
    assert isinstance(gap, Gap)
    assert gap.reason is reason
    assert isinstance(page, SnapshotPage)
    assert page.is_first


def test_an_emptied_redis_is_a_gap_and_a_new_snapshot(
    way: Way, deliver: Delivery, name: str, module_redis_url: str
) -> None:
    deliver(entity=name)
    with way.follow(way.url, entity=name, snapshot=True) as messages:
        assert isinstance(next(messages), Subscribed)
        with redis.Redis.from_url(module_redis_url) as client:
            client.flushall()
        gap = next(one for one in messages if isinstance(one, Gap))
        page = next(messages)
        delivered = deliver(entity=name)
        assert sequences(messages, 1) == delivered
    assert gap.reason is GapReason.STREAM_LOST
    assert page == SnapshotPage((), is_first=True, is_last=True)
