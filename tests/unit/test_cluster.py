"""How rtp's names go to a Redis Cluster, and what an address of one may be."""

from __future__ import annotations

import pytest

from core.settings.addresses import redis_url
from rtp_client.cluster import cluster_options, in_slot, told_nodes


@pytest.mark.parametrize("key", ["rtp:stream", "rtp:leader", "rtp:cache:tvl:ethereum:a%7Bb%7D", "rtp:cache:tvl:*"])
def test_a_key_gets_the_slot_of_rtp(key: str) -> None:
    assert [in_slot(key), in_slot(key.encode())] == ["{rtp}" + key.removeprefix("rtp")] * 2


@pytest.mark.parametrize(
    "argument", ["rtp:events:tvl:*", "rtp:route:desk rtp:route:ops", '{"type": "rtp:cache:x"}', "EVALSHA", 7, "rtp"]
)
def test_all_else_stays_as_it_is(argument: object) -> None:
    assert in_slot(argument) == argument


def test_a_key_is_moved_once() -> None:
    assert in_slot(in_slot("rtp:stream")) == "{rtp}:stream"


def test_all_nodes_of_an_answer_are_known() -> None:
    slots = [
        [0, 5460, [b"10.0.0.1", 6379, b"id", []], [b"10.0.0.2", 6379, b"id", []]],
        [5461, 16383, [b"", 6380, b"id"]],
    ]
    assert told_nodes(slots, ("seed", 1)) == {("10.0.0.1", 6379), ("10.0.0.2", 6379), ("seed", 6380)}


def test_a_single_server_is_talked_to_as_ever() -> None:
    assert cluster_options("redis://localhost:6379/0") == {}


def test_a_cluster_is_talked_to_over_tls_where_its_address_says_so() -> None:
    classes = [cluster_options(f"{scheme}://a:1?cluster=true")["connection_class"] for scheme in ("redis", "rediss")]
    assert classes[0] is not classes[1]


@pytest.mark.parametrize("url", ["redis://a:1?cluster=true", "rediss://:p@a:1/0?cluster=true&protocol=3"])
def test_addresses_of_clusters(url: str) -> None:
    assert redis_url(url) == url


@pytest.mark.parametrize(
    ("url", "said"),
    [("redis://a:1?cluster=yes", "Write cluster=true"), ("redis://a:1/2?cluster=true", "a database other than 0")],
)
def test_addresses_that_no_cluster_has(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        redis_url(url)
