"""What a filter lets through, and how it is written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rtp_client.errors import SettingsError
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


@pytest.mark.parametrize("wanted", [False, "false"])
def test_members_of_a_market_wide_move_can_be_left_out(wanted: Any) -> None:
    without = EventFilter.from_json({"market": wanted})
    assert (matches(without), matches(without, details='{"market": "id"}')) == (True, False)
    assert EventFilter.from_json(without.as_json()) == without


@pytest.mark.parametrize("wanted", ["yes", 1, ["true"]])
def test_market_is_true_or_false(wanted: Any) -> None:
    with pytest.raises(SettingsError, match=r"filter\.market: must be true or false"):
        EventFilter.from_json({"market": wanted})


@pytest.mark.parametrize("pattern", ["aave-v3", "AAVE-V3", "aave*", "*V3", "aave-v?", "aave-v[23]"])
def test_a_name_or_a_glob_in_any_case(pattern: str) -> None:
    assert matches(EventFilter(entity=pattern))
    assert matches(EventFilter(chain=pattern), chain="Aave-V3")


@pytest.mark.parametrize("part", ["kind", "chain", "entity"])
def test_of_several_names_one_must_fit(part: str) -> None:
    event = make_event(1, "lido", kind="price", chain="base")
    name = getattr(event.data, part)
    assert EventFilter.from_json({part: ["other", f"{name[:2].upper()}*"]}).matches(event)
    assert not EventFilter.from_json({part: ["other", "another*"]}).matches(event)


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


@pytest.mark.parametrize(
    ("least", "passing"),
    [("info", ["info", "warning", "critical"]), ("warning", ["warning", "critical"]), ("critical", ["critical"])],
)
def test_a_severity_asks_for_at_least_that_one(least: str, passing: list[str]) -> None:
    wanted = EventFilter(severity=least)
    assert [one for one in ("info", "warning", "critical") if matches(wanted, severity=one)] == passing


def test_one_reason_or_several() -> None:
    assert matches(EventFilter(reason="depeg"), reason="depeg")
    assert matches(EventFilter(reason=["depeg", "repeg"]), reason="repeg")
    assert not matches(EventFilter(reason=["depeg", "repeg"]), reason="deviation")


def test_what_is_written_is_read_as_the_same_filter() -> None:
    wanted = EventFilter("price", ["base", "eth*"], "*usd*", Decimal("0.50"), "warning", ["depeg", "deviation"])
    assert EventFilter.from_json(wanted.as_json()) == wanted
    assert EventFilter.from_json({}) == EventFilter()
    assert EventFilter().as_json() == {}


def test_numbers_of_percent_may_be_numbers_or_texts() -> None:
    assert EventFilter.from_json({"min_pct": 0.1}) == EventFilter.from_json({"min_pct": "0.1"})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (["price"], "filter: must be an object, not "),
        ({"token": "eth"}, "filter.token: is no part of a filter. The parts are kind, chain, entity, "),
        ({"kind": 3}, "filter.kind: must be a text or a list of texts, not '3'"),
        ({"chain": []}, "filter.chain: must be a text or a list of texts"),
        ({"entity": ["eth", None]}, "filter.entity: must be a text or a list of texts"),
        ({"min_pct": -1}, "filter.min_pct: must be a number of percent, 0 or more, not '-1'"),
        ({"min_pct": "much"}, "filter.min_pct: must be a number of percent"),
        ({"min_pct": "1e999999"}, "filter.min_pct: must be a number of percent"),
        ({"min_pct": "NaN"}, "filter.min_pct: must be a number of percent"),
        ({"severity": "high"}, "filter.severity: must be one of info, warning, critical, not 'high'"),
        ({"reason": ["depeg", "x"]}, "filter.reason: must be one of deviation, "),
    ],
)
def test_what_is_no_filter_is_told_in_one_line(document: object, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        EventFilter.from_json(document)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
