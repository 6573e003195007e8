"""The outbox of `rtp notify` in Redis: each alert once, in order, taken only by who has the destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis

from core.notify.counts import DestinationCounts
from core.notify.outbox.lease import Leases
from core.notify.outbox.outbox import GROUP, TAKING, TELLING, Addressed, Outbox, Taken
from core.redis_names import NOTIFY_DEAD, lease_key
from rtp_client.keys import STREAM
from tests.eventually import eventually
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.errors import SinkUnavailable


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def outbox(client: redis.Redis) -> Outbox:
    return Outbox(client, "here")


def leases_of(client: redis.Redis, token: str, pieces: list[str], seconds: float = 0.4) -> Leases:
    def heard(_: SinkUnavailable | None) -> None:
        """Of no interest."""

    return Leases(
        client, "here", TELLING, pieces, seconds=seconds, token=token, on_change=lambda: None, on_failure=heard
    )


def places(outbox: Outbox, destination: str) -> list[str]:
    return [alert.place for alert in outbox.waiting(destination, most=100)]


def hold(client: redis.Redis, destination: str, token: str) -> None:
    client.set(lease_key(TELLING, destination), token)


def test_an_alert_waits_once_for_each_destination_in_order_of_arrival(outbox: Outbox) -> None:
    first, second = make_event(1), make_event(2)
    outbox.put([Addressed(first, ["desk/1", "boss/1"]), Addressed(second, ["desk/1"]), Addressed(first, ["desk/1"])])
    outbox.put([Addressed(second, ["boss/1"]), Addressed(make_event(3), [])])
    assert [alert.event for alert in outbox.waiting("desk/1", most=10)] == [first, second]
    assert [alert.event for alert in outbox.waiting("boss/1", most=10)] == [first]
    behind = {"desk/1": places(outbox, "desk/1")[0], "boss/1": places(outbox, "boss/1")[0]}
    assert [alert.event for alert in outbox.arrivals(behind, most=10, block_ms=1)["desk/1"]] == [second]


def test_what_is_taken_from_the_stream_is_put_in_and_acknowledged_at_once_by_who_may(
    outbox: Outbox, client: redis.Redis
) -> None:
    client.xgroup_create(STREAM, GROUP, mkstream=True)
    client.xadd(STREAM, {"event": make_event(1).json_bytes})
    found: Any = client.xreadgroup(GROUP, "one", {STREAM: ">"})
    ((_, [(entry, _)]),) = found
    client.set(lease_key(TAKING, STREAM), "mine")
    taken = [Addressed(make_event(1), ["desk/1"])]
    assert outbox.put(taken, Taken("another's", [entry.decode()])) is None
    assert client.xpending(STREAM, GROUP)["pending"] == 1
    assert outbox.put(taken, Taken("mine", [entry.decode()])) == 1
    assert client.xpending(STREAM, GROUP)["pending"] == 0
    assert len(places(outbox, "desk/1")) == 1


def test_only_who_has_the_destination_begins_and_gives_up_but_what_was_told_leaves_in_any_case(
    outbox: Outbox, client: redis.Redis
) -> None:
    outbox.put([Addressed(make_event(number), ["desk/1"]) for number in (1, 2)])
    first, second = places(outbox, "desk/1")
    hold(client, "desk/1", "mine")
    assert outbox.begin("desk/1", [first, second], "another's", spent_until=9) is None
    assert outbox.begin("desk/1", [first, second], "mine", spent_until=9) == {first: 1, second: 1}
    assert not outbox.settle("desk/1", [first], "another's", counts=DestinationCounts(), note={}, dead="refused")
    assert outbox.settle("desk/1", [first], "another's", counts=DestinationCounts(told=1), note={})
    assert outbox.begin("desk/1", [first, second], "mine", spent_until=10) == {second: 2}
    standing = outbox.standing("desk/1")
    assert (standing.counts.told, standing.waiting, standing.spent_until) == (1, 1, 10)


def test_what_can_never_be_told_is_kept_with_its_reason(outbox: Outbox, client: redis.Redis) -> None:
    event = make_event(1)
    outbox.put([Addressed(event, ["desk/1"])])
    hold(client, "desk/1", "mine")
    outbox.begin("desk/1", places(outbox, "desk/1"), "mine", spent_until=0)
    outbox.settle(
        "desk/1", places(outbox, "desk/1"), "mine", counts=DestinationCounts(dead=1), note={}, dead="no such chat"
    )
    found: Any = client.xrange(NOTIFY_DEAD)
    ((_, letter),) = found
    assert letter == {
        b"destination": b"desk/1",
        b"reason": b"no such chat",
        b"tries": b"1",
        b"event": event.json_bytes,
    }
    assert outbox.standing("desk/1").waiting == 0


def test_destinations_that_are_no_more_are_known_for_as_long_as_something_waits_for_them(outbox: Outbox) -> None:
    outbox.know(["desk/1", "boss/1"])
    outbox.put([Addressed(make_event(1), ["boss/1"])])
    assert outbox.know(["ops/1"]) == ["boss/1"]


def test_a_destination_that_was_lost_and_comes_back_is_had_anew(client: redis.Redis) -> None:
    leases = leases_of(client, "a", ["desk/1"])
    leases.start()
    eventually(lambda: leases.term("desk/1") == 1)
    leases.lost("desk/1")
    eventually(lambda: leases.term("desk/1") == 2)
    leases.stop()
    assert leases.term("desk/1") == 0


def test_processes_share_the_destinations_and_each_is_one_processs(client: redis.Redis) -> None:
    pieces = ["a", "b", "c", "d"]
    first, second = leases_of(client, "first", pieces), leases_of(client, "second", pieces)

    def held(leases: Leases) -> set[str]:
        for piece in pieces:
            if leases.gives_back(piece):
                leases.give_back(piece)
        return {piece for piece in pieces if leases.holds(piece)}

    first.start()
    try:
        eventually(lambda: held(first) == set(pieces))
        second.start()
        eventually(lambda: [len(held(first)), len(held(second))] == [2, 2])
        assert held(first).isdisjoint(held(second))
    finally:
        first.stop()
        eventually(lambda: held(second) == set(pieces))
        second.stop()
    assert not client.keys("rtp:notify:lease:*")
