"""The simulated market: reproducible, plausible, mostly quiet."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.demo import catalogue
from core.demo.change import Change, FeedStep, PriceChange, ProtocolChange, TvlChange
from core.demo.market import Market
from core.demo.walk import floating_price, price_amount
from tests.effort import IS_LONG

STABLE = {token.name for token in catalogue.tokens() if token.stable}


def first_steps(seed: int, count: int) -> list[FeedStep]:
    return list(islice(Market(seed).steps(), count))


@pytest.fixture(scope="module")
def changes() -> list[Change]:
    return [change for step in first_steps(7, 10_000) for change in step.changes]


@pytest.fixture(scope="module")
def opening() -> dict[tuple[str, ...], Change]:
    return {change.key: change for change in Market(7).opening().changes}


def share_that_deviates(values: dict[tuple[str, ...], list[Decimal]], percent: Decimal) -> float:
    """The share of updates at least `percent` away from the last reported value, as rtp would judge them."""
    events = total = 0
    for series in values.values():
        reported = series[0]
        for value in series[1:]:
            total += 1
            if abs(value - reported) * 100 >= percent * reported:
                events += 1
                reported = value
    return events / total


@settings(max_examples=100 if IS_LONG else 5)
@given(st.integers(min_value=0))
def test_one_seed_is_one_market(seed: int) -> None:
    assert first_steps(seed, 30) == first_steps(seed, 30)


def test_another_seed_is_another_market() -> None:
    assert first_steps(1, 30) != first_steps(2, 30)


def test_the_market_opens_with_about_a_hundred_protocols() -> None:
    assert 90 <= len(catalogue.protocols()) <= 130


def test_the_market_opens_with_some_forty_tokens() -> None:
    assert 35 <= len(catalogue.tokens()) <= 60


@pytest.mark.parametrize("chain", ["ethereum", "arbitrum", "base", "solana", "optimism", "polygon", "bsc"])
def test_the_market_spans_the_chains_people_know(chain: str) -> None:
    assert chain in {change.chain for change in catalogue.tvls()}


def test_the_opening_holds_every_row_once() -> None:
    keys = [change.key for change in Market(7).opening().changes]
    assert len(keys) == len(set(keys))


def test_every_tvl_belongs_to_a_known_protocol() -> None:
    assert {tvl.protocol for tvl in catalogue.tvls()} == {row.protocol for row in catalogue.protocols()}


def test_a_derived_token_follows_a_token_that_moves_by_itself() -> None:
    independent = {token.name for token in catalogue.tokens() if token.follows == token.name}
    assert {token.follows for token in catalogue.tokens()} <= independent


def test_steps_touch_only_rows_of_the_opening(changes: list[Change], opening: dict[tuple[str, ...], Change]) -> None:
    assert {change.key for change in changes} <= opening.keys()


def test_a_step_never_writes_a_row_twice() -> None:
    steps = first_steps(7, 5000)
    assert all(len({change.key for change in step.changes}) == len(step.changes) for step in steps)


def test_every_row_says_that_it_is_simulated(changes: list[Change]) -> None:
    assert {change.source for change in changes} == {"simulated"}


def test_every_value_is_positive(changes: list[Change]) -> None:
    prices = [change.price_usd for change in changes if isinstance(change, PriceChange)]
    tvls = [change.tvl_usd for change in changes if isinstance(change, TvlChange)]
    assert min(prices + tvls) > 0


def test_confidence_is_a_probability(changes: list[Change]) -> None:
    given_confidence = [change.confidence or 0 for change in changes if isinstance(change, PriceChange)]
    assert all(0 < confidence <= 1 for confidence in given_confidence)


def test_most_price_steps_are_insignificant_and_some_are_not(changes: list[Change]) -> None:
    series: dict[tuple[str, ...], list[Decimal]] = {}
    for change in changes:
        if isinstance(change, PriceChange):
            series.setdefault(change.key, []).append(change.price_usd)
    assert 0.005 < share_that_deviates(series, Decimal("0.1")) < 0.1


def test_most_tvl_steps_are_insignificant_and_some_are_not(changes: list[Change]) -> None:
    series: dict[tuple[str, ...], list[Decimal]] = {}
    for change in changes:
        if isinstance(change, TvlChange):
            series.setdefault(change.key, []).append(change.tvl_usd)
    assert 0.005 < share_that_deviates(series, Decimal(1)) < 0.1


def test_stablecoins_stay_on_their_peg_nearly_always(changes: list[Change]) -> None:
    prices = [c.price_usd for c in changes if isinstance(c, PriceChange) and c.token in STABLE]
    off_peg = [price for price in prices if abs(price - 1) > Decimal("0.001")]
    assert len(off_peg) / len(prices) < 0.05


def test_a_stablecoin_loses_its_peg_now_and_then(changes: list[Change]) -> None:
    prices = [c.price_usd for c in changes if isinstance(c, PriceChange) and c.token in STABLE]
    assert min(prices) < Decimal("0.998")


@pytest.mark.no_cover  # others cover it, and followed it takes twice as long
def test_a_floating_price_stays_plausible_in_the_long_run() -> None:
    price = floating_price(Random(7), 0.0002)
    assert all(0.5 < price.advance() < 2 for _ in range(200_000))


def test_a_token_costs_about_the_same_on_every_chain(changes: list[Change]) -> None:
    latest: dict[str, Decimal] = {}
    for change in changes:
        if isinstance(change, PriceChange) and change.token == "eth":
            latest[change.chain] = change.price_usd
    assert max(latest.values()) / min(latest.values()) < Decimal("1.03")


@pytest.mark.parametrize("field", ["category", "url", "audits"])
def test_metadata_changes_now_and_then(
    field: str, changes: list[Change], opening: dict[tuple[str, ...], Change]
) -> None:
    edits = [change for change in changes if isinstance(change, ProtocolChange)]
    assert any(getattr(edit, field) != getattr(opening[edit.key], field) for edit in edits)


@pytest.mark.no_cover  # others cover it, and followed it takes twice as long
def test_a_metadata_change_really_changes_something(opening: dict[tuple[str, ...], Change]) -> None:
    known = dict(opening)
    for step in first_steps(7, 20_000):
        for change in step.changes:
            if isinstance(change, ProtocolChange):
                assert change != known[change.key]
                known[change.key] = change


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (96420.514, "96420.51"),
        (1.0000123, "1.000012"),
        (0.0000158420312, "0.00001584203"),
        (2480.31, "2480.310"),
    ],
)
def test_prices_show_seven_significant_digits(value: float, shown: str) -> None:
    assert f"{price_amount(value):f}" == shown


def test_steps_go_on_where_they_were_left() -> None:
    market = Market(7)
    first = list(islice(market.steps(), 10))
    second = list(islice(market.steps(), 10))
    assert first + second == first_steps(7, 20)
