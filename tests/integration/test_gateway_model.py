"""Whatever becomes of the stream and of the clients: each client knows what a plain list says, or was told otherwise.

The list is what was delivered, in order. A client keeps the newest position and the ids that it was sent, as clients
do, and comes back with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core.gateway import history
from core.gateway.hub import Hub
from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from rtp_client.event import Event
from rtp_client.event_filter import EventFilter
from rtp_client.keys import STREAM
from rtp_client.stream.entries import entries
from rtp_client.stream.position import Position
from tests.effort import IS_LONG
from tests.recording_outlet import RecordingOutlet, Sent
from tests.samples import make_event

ENTITIES = ("lido", "aave", "curve")
FILTERS = st.sampled_from([{}, {"entity": "lido"}, {"entity": ["a*", "curve"]}, {"min_pct": 5}, {"kind": "tv*"}])
CLIENT = st.integers(0, 3)
DELIVER = st.tuples(st.just("deliver"), st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=8))
STEP = st.one_of(
    DELIVER,
    DELIVER,
    DELIVER,
    st.tuples(st.just("deliver_late"), st.booleans()),
    st.tuples(st.just("redeliver"), st.integers(1, 6)),
    st.tuples(st.just("change_log"), st.none()),
    st.tuples(st.just("trim"), st.integers(1, 12)),
    st.tuples(st.just("lose"), st.none()),
    st.tuples(st.just("subscribe"), FILTERS, st.booleans(), st.sampled_from([0, 1, 3, 100])),
    st.tuples(st.just("leave"), CLIENT),
    st.tuples(st.just("come_back"), CLIENT, st.sampled_from([0, 2, 100])),
    st.tuples(st.just("come_back"), CLIENT, st.just(100)),
    st.tuples(st.just("read"), CLIENT, st.integers(1, 10)),
)
SUBSCRIBE = st.tuples(st.just("subscribe"), FILTERS, st.booleans(), st.sampled_from([3, 100]))
# Whether all is quiet before the next step.
STEPS = st.builds(
    lambda first, others: [(first, False), *others],
    SUBSCRIBE,
    st.lists(st.tuples(STEP, st.booleans()), min_size=5, max_size=30),
)


class Market:
    """What is delivered, and in which order it stands in the stream."""

    def __init__(self, sink: RedisSink, client: redis.Redis) -> None:
        self._sink = sink
        self._client = client
        self._log = 0
        self._sequence = 1000
        self._of_this_log: list[Event] = []
        self.places: dict[str, tuple[tuple[int, int], Event]] = {}
        self._read_to = "0-0"
        self.lost_at = (0, 0)

    def deliver(self, choices: Sequence[tuple[int, bool]]) -> None:
        self._deliver([self._event(ENTITIES[entity], is_big=is_big) for entity, is_big in choices])

    def deliver_late(self, is_big: bool) -> None:
        """An event of a long transaction: others of higher sequences, of other entities, came before it."""
        event = self._event(f"late-{self._sequence}", is_big=is_big)
        self._deliver([self._event("lido", is_big=False), event])

    def redeliver(self, count: int) -> None:
        if self._of_this_log:
            self._deliver(self._of_this_log[-count:])

    def change_log(self, _: None) -> None:
        """A database that was restored: its sequences begin anew."""
        self._log += 1
        self._sequence = 1000
        self._of_this_log = []

    def trim(self, kept: int) -> None:
        self._client.xtrim(STREAM, maxlen=kept, approximate=False)

    def lose(self, _: None) -> None:
        """The stream is gone. Its successor's entries have later ids."""
        self._client.delete(STREAM)
        self.lost_at = max((place for place, _ in self.places.values()), default=(0, 0))

    def end(self) -> tuple[int, int]:
        newest = next(iter(entries(self._client, newest_first=True)), None)
        return newest.order if newest else (0, 0)

    def behind(self, order: tuple[int, int], wanted: EventFilter) -> list[Event]:
        """What a client wants of what was delivered for the first time behind a place."""
        return [event for place, event in self.places.values() if place > order and wanted.matches(event)]

    def _event(self, entity: str, *, is_big: bool) -> Event:
        self._sequence += 1
        return make_event(self._sequence, entity, change_pct="9" if is_big else "1", log_id=f"log{self._log}")

    def _deliver(self, events: list[Event]) -> None:
        self._sink.deliver(events)
        self._of_this_log += [event for event in events if event.id not in self.places]
        for entry in entries(self._client, after=self._read_to):
            self._read_to = entry.id
            event = next(one for one in events if one.json_bytes == entry.document)
            self.places.setdefault(event.id, (entry.order, event))


@dataclass
class Span:
    """What a client was sent since it was last told where it begins."""

    start: Position
    held: dict[str, Sent] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    skipped: int = 0


@dataclass
class Knower:
    """A client through all its connections. What it has read of a connection counts only once."""

    wanted: dict[str, Any]
    wants_snapshot: bool
    outlet: RecordingOutlet
    position: str | None = None
    spans: list[Span] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    has_snapshot: bool = False
    _read: int = 0
    _n: int = 0

    def learn(self) -> None:
        """Take in what came since the last time."""
        for message in self.outlet.sent[self._read :]:
            self._take(message)
        self._read = len(self.outlet.sent)

    def come_back(self, outlet: RecordingOutlet) -> None:
        self.outlet, self._read, self._n = outlet, 0, 0
        # A client without its whole snapshot begins anew.
        resume = self.position if self.has_snapshot or not self.wants_snapshot else None
        given = {"resume": resume} if resume else {}
        outlet.subscribe(filter=self.wanted, snapshot=self.wants_snapshot, **given)

    def _take(self, message: Sent) -> None:
        match message["type"]:
            case "subscribed" if message["resumed"]:
                assert message["position"] == self.position
            case "subscribed" | "reset":
                self.spans.append(Span(Position.parse(message["position"])))
                self.has_snapshot = not self.wants_snapshot
            case "snapshot":
                self.spans[-1].held |= {one["entity"]: one for one in message["entries"]}
                self.has_snapshot = message["done"]
            case "event":
                self._n += 1 + message.get("skipped", 0)
                assert message["n"] == self._n
                self.spans[-1].skipped += message.get("skipped", 0)
                if message["event"]["id"] not in self.known:
                    self.spans[-1].ids.append(message["event"]["id"])
                self.known.add(message["event"]["id"])
        self.position = message.get("position", self.position)


def check(knower: Knower, market: Market) -> None:
    wanted = EventFilter.from_json(knower.wanted)
    for number, span in enumerate(knower.spans, start=1):
        is_last = number == len(knower.spans)
        # An empty stream has the same position each time; the last span began behind the last loss.
        start = max(span.start.order, market.lost_at) if is_last else span.start.order
        expected = [event.id for event in market.behind(start, wanted) if not is_held(event, span, market)]
        # A second delivery of what is older than the span may come; a new client cannot know that it is one.
        sent = [one for one in span.ids if market.places[one][0] > start]
        assert sent == [one for one in expected if one in set(sent)], "in the stream's order, and nothing else"
        if is_last:
            assert len(sent) + span.skipped == len(expected)
            newest = {market.places[one][1].subject: one for one in expected}
            assert {market.places[one][1].subject: one for one in sent} == newest


def is_held(event: Event, span: Span, market: Market) -> bool:
    held = span.held.get(event.data.entity)
    return held is not None and market.places[event.id][0] <= market.places[held["event"]["id"]][0]


async def settle(hub: Hub, market: Market, knowers: Sequence[Knower]) -> None:
    """Until the feed has read all, and every client has what it has room for."""
    async with asyncio.timeout(20):
        while hub.window.head.order != market.end() or not all(is_settled(knower.outlet) for knower in knowers):
            await asyncio.sleep(0.001)


def is_settled(outlet: RecordingOutlet) -> bool:
    joining = [one.joining for one in outlet.session.subscriptions.values()]
    return not outlet.has_room or all(one is None or one.done() for one in joining)


@pytest.fixture
def market(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Market]]:
    """Makes one in an empty Redis."""
    monkeypatch.setattr(history, "PAGE", 3)
    with (
        closing(RedisSink(RedisSettings(), url=redis_url, poll_interval_seconds=0.001)) as sink,
        redis.Redis.from_url(redis_url) as client,
    ):

        def made() -> Market:
            client.flushdb()
            return Market(sink, client)

        yield made


@settings(
    max_examples=1000 if IS_LONG else 15,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, window=st.sampled_from([0, 1000]))
def test_clients_know_what_was_delivered(
    redis_url: str, market: Callable[[], Market], steps: Sequence[Any], window: int
) -> None:
    asyncio.run(go_through(redis_url, market(), steps, window))


async def go_through(redis_url: str, market: Market, steps: Sequence[Any], window: int) -> None:
    limits: dict[str, Any] = {"queue": 4, "subscriptions": 1, "message_bytes": 9, "messages_per_second": 9}
    knowers: list[Knower] = []
    async with Hub(redis_url, window=window, ping_seconds=20, **limits) as hub:
        for (name, *given_), is_quiet in steps:
            if name == "subscribe":
                wanted, wants_snapshot, room = given_
                knowers.append(Knower(wanted, wants_snapshot, RecordingOutlet(hub, room=room)))
                knowers[-1].outlet.subscribe(filter=wanted, snapshot=wants_snapshot)
            elif name not in ("leave", "come_back", "read"):
                getattr(market, name)(*given_)
            elif given_[0] < len(knowers):
                knower = knowers[given_[0]]
                knower.learn()
                if name == "read":
                    knower.outlet.read(given_[1])
                elif name == "leave":
                    knower.outlet.session.close()
                else:
                    knower.outlet.session.close()
                    knower.come_back(RecordingOutlet(hub, room=given_[1]))
            if is_quiet or name == "lose":  # before another stream can be taken for the one that was lost
                await settle(hub, market, knowers)
            else:
                await asyncio.sleep(0)
        for knower in knowers:
            knower.learn()
            if knower.outlet.closed or not knower.outlet.session.subscriptions:
                knower.come_back(RecordingOutlet(hub, room=1_000))
            knower.outlet.read()
        await settle(hub, market, knowers)
        for knower in knowers:
            knower.learn()
            check(knower, market)
