"""Which rule applies: overrides in their order of precedence, and globs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.settings.peg import Peg
from core.settings.rules import RULE_KEYS, explain_rule, rule_for
from core.settings.watches import ValueWatch
from tests.watches import value_watch

NAMES = st.text(st.sampled_from("ab.*?[]-\n|"), max_size=6)


def tvl_watch(*overrides: dict[str, Any], **keys: Any) -> ValueWatch:
    return value_watch(overrides=overrides, **keys)


def percent(watch: ValueWatch, chain: str = "ethereum", protocol: str = "lido") -> Decimal:
    return rule_for(watch, chain, protocol).percent


def test_without_overrides_the_watch_s_own_keys_apply() -> None:
    rule = rule_for(tvl_watch(percent=3, heartbeat="1h"), "ethereum", "lido")
    assert (rule.percent, rule.heartbeat, rule.cooldown, rule.peg) == (Decimal(3), timedelta(hours=1), None, None)


def test_an_override_for_another_protocol_or_chain_does_not_apply() -> None:
    watch = tvl_watch({"protocol": "aave", "percent": 2}, {"protocol": "lido", "chain": "base", "percent": 3})
    assert percent(watch) == 1


def test_an_override_without_names_applies_to_everything() -> None:
    assert percent(tvl_watch({"percent": 2})) == 2


IN_ORDER: tuple[dict[str, str], ...] = (  # least specific first
    {},
    {"chain": "eth*"},
    {"chain": "ethereum"},
    {"protocol": "li?o"},
    {"protocol": "l*", "chain": "*"},
    {"protocol": "*", "chain": "ethereum"},
    {"protocol": "lido"},
    {"protocol": "lido", "chain": "?thereum"},
    {"protocol": "lido", "chain": "ethereum"},
)


@pytest.mark.parametrize("place", range(len(IN_ORDER) - 1))
def test_the_protocol_counts_before_the_chain_and_exact_before_glob(place: int) -> None:
    less, more = ({**IN_ORDER[place], "percent": 5}, {**IN_ORDER[place + 1], "percent": 7})
    assert [percent(tvl_watch(*both)) for both in permutations((less, more))] == [7, 7]


def test_of_equally_specific_ones_the_later_wins() -> None:
    assert percent(tvl_watch({"protocol": "l*", "percent": 5}, {"protocol": "*o", "percent": 7})) == 7


def test_each_key_comes_from_the_most_specific_override_that_sets_it() -> None:
    watch = tvl_watch({"protocol": "lido", "percent": 5}, {"protocol": "l*", "percent": 7, "cooldown": "5m"})
    rule, origins = explain_rule(watch, "ethereum", "lido")
    assert (rule.percent, rule.cooldown) == (Decimal(5), timedelta(minutes=5))
    where = dict(zip(RULE_KEYS, map(str, origins), strict=True))
    assert where["percent"] == "overrides[0].percent"
    assert where["cooldown"] == "overrides[1].cooldown"
    assert where["min_change"] == "min_change"


def test_an_override_can_say_false_or_zero() -> None:
    watch = tvl_watch({"emit_first": False, "min_change": 0, "cooldown": "0s"}, emit_first=True, min_change=9)
    rule = rule_for(watch, "ethereum", "lido")
    assert (rule.emit_first, rule.min_change, rule.cooldown) == (False, Decimal(0), timedelta(0))


def test_a_price_override_gives_a_peg() -> None:
    watch = value_watch("price", overrides=[{"token": "usd?", "peg": {}}])
    assert (rule_for(watch, "all", "usdc").peg, rule_for(watch, "all", "eth").peg) == (Peg(), None)


@example("a*", "a\n")
@example("a?", "a\n")
@given(NAMES.filter(bool), NAMES)
def test_a_glob_matches_what_its_meaning_says(glob: str, name: str) -> None:
    def matches(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return matches(pattern[1:], text) or bool(text and matches(pattern, text[1:]))
        return bool(text) and pattern[0] in ("?", text[0]) and matches(pattern[1:], text[1:])

    # Globs in settings hold no control characters; names from data may hold anything.
    watch = tvl_watch({"protocol": glob.replace("\n", "x"), "percent": 7})
    assert (percent(watch, protocol=name) == 7) is matches(glob.replace("\n", "x"), name)


@given(st.permutations(range(len(IN_ORDER))))
def test_the_order_in_the_file_does_not_matter_between_levels(order: list[int]) -> None:
    overrides = [{**IN_ORDER[place], "percent": place + 10} for place in order]
    assert percent(tvl_watch(*overrides)) == 10 + len(IN_ORDER) - 1
