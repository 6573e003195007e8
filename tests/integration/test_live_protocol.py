"""The clients and a gateway on a bad day: what is missing is noticed and fetched, what is new is passed over."""

from __future__ import annotations

import pytest

from rtp_client import Gap, SnapshotPage
from tests.followed import Follow, events, sequences, with_asyncio, with_node, with_threads
from tests.samples import NOON
from tests.scripted_gateway import event, position, scripted, subscribed

pytestmark = pytest.mark.parametrize("follow", [with_asyncio, with_threads, with_node])


def test_a_message_that_was_lost_is_fetched_by_a_new_connection(follow: Follow) -> None:
    first = [subscribed(), event(1, 1), event(3, 3)]
    second = [subscribed(1, resumed=True), event(1, 2), event(2, 3)]
    with scripted(first, second) as (url, gateway), follow(url) as messages:
        assert sequences(messages, 3) == [1, 2, 3]
    assert [asked.get("resume") for asked in gateway.asked] == [None, position(1)]


def test_what_the_gateway_left_out_is_counted_and_not_lost(follow: Follow) -> None:
    with scripted([subscribed(), event(1, 1), event(4, 4, skipped=2)]) as (url, gateway), follow(url) as messages:
        assert [next(events(messages)).skipped for _ in range(2)] == [0, 2]
    assert len(gateway.asked) == 1


def test_a_snapshot_that_breaks_off_begins_anew(follow: Follow) -> None:
    page = {"type": "snapshot", "entries": [], "done": False}
    lost = event(2, 9)
    first, second = [subscribed(), page, lost], [subscribed(7), {**page, "done": True}, event(1, 8)]
    with scripted(first, second) as (url, gateway), follow(url, snapshot=True) as messages:
        seen = [next(one for one in messages if isinstance(one, SnapshotPage)) for _ in range(2)]
        assert sequences(messages, 1) == [8]
    assert [(one.is_first, one.is_last) for one in seen] == [(True, False), (True, True)]
    assert [asked.get("resume") for asked in gateway.asked] == [None, None]


def test_what_a_snapshot_holds_does_not_come_after_a_new_connection_either(follow: Follow) -> None:
    held = {"kind": "tvl", "chain": "ethereum", "entity": "lido", "value": "7", "fields": None, "event": None}
    entry = held | {"sequence": 7, "log": "test", "as_of": NOON.isoformat(), "source": "cache"}
    page = {"type": "snapshot", "entries": [entry | {"is_stale": False, "is_deleted": False}], "done": True}
    lost = event(9, 19)
    first, second = [subscribed(5), page, lost], [subscribed(5, resumed=True), *(event(n, 5 + n) for n in (1, 2, 3))]
    with scripted(first, second) as (url, gateway), follow(url, snapshot=True) as messages:
        assert sequences(messages, 1) == [8]
    assert [asked.get("resume") for asked in gateway.asked] == [None, position(5)]


def test_after_a_gap_a_new_connection_goes_on_behind_the_gap(follow: Follow) -> None:
    reset = {"type": "reset", "reason": "trimmed", "message": "some are gone", "position": position(5)}
    first, second = [subscribed(), reset, event(7, 7)], [subscribed(5, resumed=True), event(1, 6)]
    with scripted(first, second) as (url, gateway), follow(url) as messages:
        assert next(one.message for one in messages if isinstance(one, Gap)) == "some are gone"
        assert sequences(messages, 1) == [6]
    assert [asked.get("resume") for asked in gateway.asked] == [None, position(5)]


def test_messages_of_a_newer_gateway_are_passed_over(follow: Follow) -> None:
    reset = {"type": "reset", "reason": "moved_house", "message": "another place", "position": position(5)}
    said = [subscribed(), {"type": "praise", "text": "well read"}, reset, event(1, 6, colour="green")]
    with scripted(said) as (url, _), follow(url) as messages:
        assert next(one.message for one in messages if isinstance(one, Gap)) == "another place"
        assert sequences(messages, 1) == [6]
