"""The rule of an entity, in sentences."""

from __future__ import annotations

from typing import Any

import pytest

from core.detection.rule_in_words import rule_in_words
from core.kinds import SHIPPED
from core.settings.rules import rule_for
from core.settings.watches import ValueWatch, watch_model

COLUMNS = {"token": "token", "value": "usd", "changed_at": "at"}


def words(**keys: Any) -> list[str]:
    """Those of USDC's rule in a watch of prices with these keys."""
    watch = watch_model(SHIPPED["price"]).model_validate(
        {"kind": "price", "table": "prices", "columns": COLUMNS} | keys
    )
    assert isinstance(watch, ValueWatch)
    return list(rule_in_words(rule_for(watch, "ethereum", "usdc"), watch.compare_with, watch.market))


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        ({}, "A change of 0.1 % or more since the last event is an event."),
        ({"percent": "2.50"}, "A change of 2.5 % or more since the last event is an event."),
        ({"percent": 0}, "Any change since the last event is an event."),
        ({"percent": 0, "min_change": 50000}, "A change of 50,000 or more since the last event is an event."),
        (
            {"percent": 1, "min_change": "0.5", "compare_with": "previous_row"},
            "A change of 1 % or more, if it is 0.5 or more, since the row before is an event.",
        ),
    ],
)
def test_how_large_a_change_is_an_event(keys: dict[str, Any], first: str) -> None:
    assert words(**keys)[0] == first


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            {"peg": {"value": "1.00", "deviation_bps": 50}},
            "A value 50 basis points or more off its peg of 1 is an event, and so is its way back within 25,"
            " whatever the size.",
        ),
        (
            {"peg": {"value": "1.00", "deviation_bps": 50, "recover_for": "1h"}},
            "A value 50 basis points or more off its peg of 1 is an event, and so is its way back within 25 once it"
            " has not been off again for 1 h.",
        ),
        (
            {"peg": {"value": "1.00", "deviation_bps": 30, "recover_bps": 10, "recover_for": "1h"}},
            "What happens off the peg is a warning from 30 basis points on, critical from 500 on; reaching a worse tier"
            " is an event, once until less than 33.33 % of its distance is left for 1 h.",
        ),
        ({"heartbeat": "90s"}, "90 s after the last event comes another one, even without a change."),
        ({"cooldown": "5m"}, "Within 5 min of an event a change is held back, and judged when that time is over."),
        (
            {"glitch_guard": {"factor": 3}},
            "A value above 3 times that of the last event, or 3 times below it, is held back until 1 further"
            " sample confirms it, or for 1 h.",
        ),
        ({"emit_first": True}, "The first sighting is an event."),
        (
            {"market": {}},
            "When more than 30 % of the watch's entities, and at least 5, move within 1 min, their events are part of"
            " one market-wide move, but for those more than 10 percentage points from the median.",
        ),
        (
            {"delete_grace": "500ms"},
            "A row that is gone is reported as deleted after 0.5 s, unless it comes back.",
        ),
        ({}, "A change of 5 % or more is a warning, one of 20 % or more is critical."),
    ],
)
def test_what_else_the_rule_says(keys: dict[str, Any], sentence: str) -> None:
    assert sentence in words(**keys)


def test_nothing_is_said_of_what_is_off() -> None:
    assert len(words(heartbeat="0s", cooldown="0s")) == 2


def test_the_override_of_an_entity_counts() -> None:
    overrides = [{"token": "us*", "heartbeat": "30d"}]
    assert "30 d after the last event comes another one, even without a change." in words(overrides=overrides)
