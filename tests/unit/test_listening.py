"""Does somebody listen to every route's alerts, and does everybody under `notify` have something to hear?"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.routes.listening import find_unheard, globs_meet
from core.settings.models import Settings
from core.settings.rules import matches_glob

COLUMNS = {"chain": "chain", "protocol": "protocol", "value": "v"}
TVL = {"kind": "tvl", "table": "tvl", "market": {}, "columns": COLUMNS}
PRICES = {"kind": "price", "table": "prices", "columns": {"token": "token", "value": "v"}}


def told(*audiences: dict[str, Any], route: dict[str, Any] | None = None, channel: str | None = None) -> str:
    to = {"channel": channel} if channel else {"queue": "desk.fifo"}
    document = {
        "watches": {"tvl": TVL, "prices": PRICES},
        "routes": [] if route is None else [{"name": "r", "match": route, **to}],
        "notify": [{"name": f"a{n}", "to": "json://x", **keys} for n, keys in enumerate(audiences)],
    }
    return "\n".join(find_unheard(Settings.model_validate(document)))


NOBODY = "routes[0] (r): nobody under notify listens to its alerts. Add an audience, or widen one"


@pytest.mark.parametrize(
    ("route", "match", "is_heard"),
    [
        ({}, {}, True),
        ({"kind": "tvl"}, {"kind": "price"}, False),
        ({"kind": "tvl"}, {"kind": ["price", "tvl"], "severity": "critical"}, True),
        ({"protocol": "lido"}, {"protocol": "aave*"}, False),
        ({"protocol": ["lido", "aave-v?"]}, {"protocol": "*v3"}, True),
        ({"protocol": "lido"}, {"token": "usdc"}, False),
        ({"protocol": "lido"}, {"kind": "tvl"}, True),
        ({"chain": "eth*"}, {"chain": "base"}, False),
        ({"reason": "deviation"}, {"reason": "to_zero"}, False),
        ({"reason": "deleted"}, {"severity": "critical"}, False),  # a deletion is no worse than a warning
        ({"market": True}, {"market": False}, False),
        ({"reason": "to_zero"}, {"min_percent": 101}, False),
    ],
    ids=str,
)
def test_a_route_to_a_queue_has_a_listener_where_one_event_fits_both(
    route: dict[str, Any], match: dict[str, Any], is_heard: bool
) -> None:
    assert told({"match": match}, route=route) == ("" if is_heard else NOBODY)


def test_one_listener_is_enough() -> None:
    assert told({"match": {"kind": "price"}}, {"match": {"kind": "tvl"}}, route={"kind": "tvl"}) == ""


def test_whoever_is_told_by_escalation_alone_does_not_listen() -> None:
    desk = {"match": {"kind": "price"}, "unless_acknowledged": "10m"}
    assert told(desk, {"only_escalated": True}, route={"kind": "tvl"}).startswith(NOBODY)


def test_without_notify_nobody_is_missed() -> None:
    assert told(route={"kind": "tvl"}) == ""


def test_a_channel_alone_has_no_alerts() -> None:
    assert told({"match": {"kind": "price"}}, route={"kind": "tvl"}, channel="desk") == ""


def test_an_audience_that_can_match_nothing_is_told_with_the_reason() -> None:
    found = told({"match": {"reason": "depeg"}})
    assert found.startswith("notify[0] (a0) can never match: watch tvl never gives the reason depeg")


def test_an_audience_that_matches_nothing_of_what_it_is_told_on_is_told() -> None:
    desk = {"match": {"kind": "price"}, "unless_acknowledged": "10m"}
    assert told(desk, {"only_escalated": True, "match": {"kind": "tvl"}}) == (
        "notify[1] (a1) matches nothing of what it is told on by a0"
    )


@given(st.text("ab*?", max_size=6), st.text("ab*?", max_size=6), st.text("ab", max_size=6))
@example("a*", "*b", "ab")
def test_two_globs_meet_wherever_a_name_fits_both(one: str, other: str, name: str) -> None:
    if matches_glob(one, name) and matches_glob(other, name):
        assert globs_meet(one, other)


@given(st.text("ab*?", max_size=5), st.text("ab?", max_size=5))
def test_globs_that_meet_have_a_name_in_common(one: str, other: str) -> None:
    if globs_meet(one, other):
        names = [""]
        for character in other:
            names = [name + letter for name in names for letter in ("ab" if character == "?" else character)]
        assert any(re.fullmatch(one.replace("*", ".*").replace("?", "."), name) for name in names)
