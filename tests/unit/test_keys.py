"""Names in Redis and SQS: different entities never share one, and no name of the data acts as a pattern."""

from __future__ import annotations

import fnmatch
import re
import string

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from core.kinds import SHIPPED
from rtp_client.keys import SQS_GROUP_LIMIT, cache_key, channel, channel_pattern, partition_key, sqs_group_id

# Names as an attacker would choose them: mostly separators, patterns and encodings of such.
NASTY = st.text(st.sampled_from("a:*?[]%2/~#\\ é3A"), min_size=1, max_size=6)
NAMES = NASTY | st.text(min_size=1, max_size=300)
ENTITIES = st.tuples(st.sampled_from(sorted(SHIPPED)), NAMES, NAMES)
# Amazon SQS: "alphanumeric characters and punctuation"
SQS_ALPHABET = set(string.ascii_letters + string.digits + string.punctuation)


@given(ENTITIES, ENTITIES)
@example(("tvl", "a", "b:c"), ("tvl", "a:b", "c"))
@example(("tvl", "a", "%3A"), ("tvl", "a", ":"))
def test_two_entities_never_share_a_cache_key(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (cache_key(*one) == cache_key(*other)) == (one == other)


@given(ENTITIES, ENTITIES)
def test_two_entities_never_share_a_channel(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (channel(*one) == channel(*other)) == (one == other)


@given(ENTITIES)
def test_a_key_holds_nothing_that_acts_in_a_pattern(entity: tuple[str, str, str]) -> None:
    assert not set(cache_key(*entity)) & set("*?[]^\\")


@given(ENTITIES)
def test_a_channel_is_its_cache_keys_name_under_events(entity: tuple[str, str, str]) -> None:
    assert channel(*entity).removeprefix("rtp:events:") == cache_key(*entity).removeprefix("rtp:cache:")


@given(ENTITIES, ENTITIES)
def test_a_pattern_for_one_entity_matches_no_other(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert fnmatch.fnmatchcase(channel(*other), channel_pattern(*one)) == (one == other)


@pytest.mark.parametrize(
    ("parts", "pattern"),
    [
        ((None, None, None), "rtp:events:*:*:*"),
        (("tvl", None, None), "rtp:events:tvl:*:*"),
        ((None, "ethereum", None), "rtp:events:*:ethereum:*"),
        (("price", "a*", "b"), "rtp:events:price:a%2A:b"),
    ],
)
def test_a_part_left_out_of_a_pattern_matches_any(
    parts: tuple[str | None, str | None, str | None], pattern: str
) -> None:
    assert channel_pattern(*parts) == pattern


@given(NAMES, NAMES)
def test_a_group_id_is_one_that_sqs_takes(chain: str, entity: str) -> None:
    group = sqs_group_id(partition_key(chain, entity))
    assert 1 <= len(group) <= SQS_GROUP_LIMIT
    assert set(group) <= SQS_ALPHABET


@given(NAMES, NAMES, NAMES, NAMES)
@example("c", "x" * 500, "c", "x" * 501)
@example("c", "x" * 126, "c", "x" * 127)
def test_two_entities_never_share_a_group(chain: str, entity: str, other_chain: str, other_entity: str) -> None:
    assume((chain, entity) != (other_chain, other_entity))
    assert sqs_group_id(partition_key(chain, entity)) != sqs_group_id(partition_key(other_chain, other_entity))


@given(st.text(min_size=130, max_size=300))
def test_nobody_can_be_named_like_another_ones_long_group(entity: str) -> None:
    group = sqs_group_id(partition_key("c", entity))
    impostor = group.removeprefix("c:")
    assert sqs_group_id(partition_key("c", impostor)) != group


def test_a_short_partition_key_is_its_own_group() -> None:
    assert sqs_group_id("ethereum:lido") == "ethereum:lido"


def test_a_long_group_keeps_its_head_for_people() -> None:
    assert re.fullmatch(r"ethereum:x{86}#[0-9a-f]{32}", sqs_group_id(partition_key("ethereum", "x" * 200)))
