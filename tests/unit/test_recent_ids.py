"""What a follower of the stream remembers of the events it has seen."""

from __future__ import annotations

from rtp_client.stream.recent_ids import RecentIds


def test_an_id_is_new_once() -> None:
    seen = RecentIds(10)
    assert [seen.add("one"), seen.add("one"), seen.add("two")] == [True, False, True]


def test_the_oldest_is_forgotten_beyond_the_limit() -> None:
    seen = RecentIds(2)
    assert [seen.add(event_id) for event_id in ("one", "two", "three", "one")] == [True] * 4
