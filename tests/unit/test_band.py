"""The band of an entity: between which values no rule has anything to say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.detection.band import Band, band
from core.detection.due import due_at
from core.detection.state import NEVER, CompareWith, EntityState
from core.settings.rules import rule_for
from tests.watches import value_watch

NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def band_of(value: str, compare_with: CompareWith = "last_event", *, kind: str = "price", **rules: Any) -> Band | None:
    """The band of an entity that was at this value at noon."""
    rule = rule_for(value_watch(kind, **{"percent": 1, **rules}), "ethereum", "usdc")
    return band(EntityState(Decimal(value), NOON, NOON, Decimal(value)), rule, compare_with)


def test_it_reaches_as_far_as_the_threshold() -> None:
    assert band_of("100") == Band(Decimal(99), Decimal(101), NEVER)


def test_it_ends_where_the_value_is_off_its_peg() -> None:
    assert band_of("1", peg={"deviation_bps": 20}) == Band(Decimal("0.998"), Decimal("1.002"), NEVER)


def test_it_ends_where_a_jump_begins() -> None:
    assert band_of("1", percent=10_000, glitch_guard={"factor": 2}) == Band(Decimal("0.5"), Decimal(2), NEVER)


def test_from_zero_every_change_is_a_jump() -> None:
    assert band_of("0", glitch_guard={"factor": 2}, min_change=5) == Band(Decimal(0), Decimal(0), NEVER)


def test_below_the_guards_least_value_it_ends_at_that_value() -> None:
    guard = {"factor": 2, "min_value": 50}
    assert band_of("1", percent=100_000, glitch_guard=guard) == Band(Decimal(0), Decimal(50), NEVER)


def test_it_ends_with_the_next_heartbeat() -> None:
    assert band_of("100", heartbeat="1h") == Band(Decimal(99), Decimal(101), NOON + HOUR)


def test_a_move_that_has_nothing_to_start_from_yet_ends_it_with_the_step() -> None:
    found = band_of("100", moves=[{"over": "24h", "percent": 20}])
    assert found is not None
    assert (found.lower, found.upper) == (Decimal(99), Decimal(101))
    assert NOON < found.until <= NOON + HOUR


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_a_value_that_is_not_finite_has_none(value: str) -> None:
    assert band_of(value) is None


def test_by_previous_row_there_is_none() -> None:
    assert band_of("100", "previous_row") is None


@pytest.mark.parametrize("changed", [{"held": True}, {"suspect_since": NOON}, {"off_peg_since": NOON}])
def test_an_entity_of_which_more_is_remembered_has_none(changed: dict[str, Any]) -> None:
    rule = rule_for(value_watch("price"), "ethereum", "usdc")
    assert band(EntityState(Decimal(1), NOON, NOON, Decimal(1), **changed), rule, "last_event") is None


@pytest.mark.parametrize("value", [None, "99", "101", "NaN", "-Infinity", "1e1000"])
def test_what_lies_on_its_edge_or_is_no_number_is_not_within(value: str | None) -> None:
    found = Band(Decimal(99), Decimal(101), NEVER)
    assert not found.holds(None if value is None else Decimal(value), NOON)


def test_its_edges_have_all_their_digits() -> None:
    found = band_of("123456789012345678901234567890.123", glitch_guard={"factor": 10}, percent=10_000)
    assert found is not None
    assert str(found.upper) == "1234567890123456789012345678901.230"
    assert band_of("-1.000000000000000000000000000001", glitch_guard={"factor": 2}, percent=10_000) == Band(
        Decimal("-2.000000000000000000000000000002"), Decimal("-0.5000000000000000000000000001"), NEVER
    )


def test_an_appointment_beyond_all_years_never_comes() -> None:
    watch = value_watch("price", heartbeat="10d")
    last_day = datetime(9999, 12, 30, tzinfo=UTC)
    state = EntityState(Decimal(1), last_day, last_day, Decimal(1))
    assert due_at(state, rule_for(watch, "ethereum", "usdc")) == NEVER
