"""What `rtp tail`'s options let through."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rtp_client.event_filter import EventFilter
from tests.samples import make_event


def matches(wanted: EventFilter, entity: str = "aave-v3", **columns: Any) -> bool:
    return wanted.matches(make_event(1, entity, **columns))


def test_an_empty_filter_lets_all_through() -> None:
    assert matches(EventFilter())


def test_every_part_must_match() -> None:
    wanted = EventFilter(kind="tvl", chain="ethereum", entity="aave-v3", min_pct=Decimal(2))
    assert matches(wanted)
    assert not matches(wanted, kind="price")
    assert not matches(wanted, chain="base")
    assert not matches(wanted, "lido")
    assert not matches(wanted, change_pct="1.99")


@pytest.mark.parametrize("pattern", ["aave-v3", "AAVE-V3", "aave*", "*V3", "aave-v?", "aave-v[23]"])
def test_a_name_or_a_glob_in_any_case(pattern: str) -> None:
    assert matches(EventFilter(entity=pattern))
    assert matches(EventFilter(chain=pattern), chain="Aave-V3")


@pytest.mark.parametrize("pattern", ["aave", "v3", "aave-v[12]", ""])
def test_a_part_of_a_name_is_not_the_name(pattern: str) -> None:
    assert not matches(EventFilter(entity=pattern))


@pytest.mark.parametrize("name", ["[x]", "a*b", "what?", "!["])
def test_a_name_that_looks_like_a_glob_is_found_by_itself(name: str) -> None:
    assert matches(EventFilter(entity=name), name)


@pytest.mark.parametrize(
    ("change_pct", "min_pct", "passes"),
    [
        ("5", "5", True),
        ("-5.0", "5", True),
        ("4.9999999999999999999999999999999999999999", "5", False),
        ("-4.9999999999999999999999999999999999999999", "5", False),
        ("5.0000000000000000000000000000000000000001", "5.0000000000000000000000000000000000000002", False),
        ("0.1", "0", True),
        ("NaN", "0", False),
        ("-Infinity", "1e30", True),
    ],
)
def test_percentages_are_compared_exactly_and_whatever_their_sign(change_pct: str, min_pct: str, passes: bool) -> None:
    assert matches(EventFilter(min_pct=Decimal(min_pct)), change_pct=change_pct) is passes


@pytest.mark.parametrize("reason", ["first_seen", "deleted", "to_null", "from_null", "added", "changed", "removed"])
def test_no_percentage_is_not_enough(reason: str) -> None:
    kind = "protocol" if reason in ("added", "changed", "removed") else "tvl"
    assert not matches(EventFilter(min_pct=Decimal(0)), kind=kind, change_pct=None, reason=reason)


@pytest.mark.parametrize(
    ("reason", "current", "passes"),
    [
        ("from_zero", "0.01", True),
        ("not_finite", "Infinity", True),
        ("not_finite", "-Infinity", True),
        ("not_finite", "NaN", False),
    ],
)
def test_an_infinite_move_is_above_any_bound(reason: str, current: str, passes: bool) -> None:
    wanted = EventFilter(min_pct=Decimal("1e30"))
    assert matches(wanted, change_pct=None, reason=reason, current=current) is passes
