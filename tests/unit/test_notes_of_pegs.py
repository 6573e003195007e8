"""What is said of a peg that may flap."""

from __future__ import annotations

from typing import Any

import pytest

from core.settings.models import Settings
from triggers.notes import note_of_pegs


def note(**keys: Any) -> str:
    columns = {"token": "token", "chain": "chain", "value": "price"}
    watch = {"kind": "price", "table": "prices", "columns": columns, **keys}
    return note_of_pegs("prices", Settings.model_validate({"watches": {"prices": watch}}).watches["prices"])


def test_a_peg_that_tells_each_way_back_is_said_with_the_remedy() -> None:
    assert note(peg=1.0) == (
        "watches.prices.peg: a price that jumps round 50 basis points is told of each time it goes and comes."
        " `recover_for: 30m` makes one depeg of that"
    )


def test_of_several_the_first_is_named() -> None:
    found = note(overrides=[{"token": "eth", "percent": 2}, {"token": "usdc", "peg": 1}, {"token": "dai", "peg": 1}])
    assert found.startswith("watches.prices.overrides[1].peg (and 1 more): ")


@pytest.mark.parametrize("keys", [{}, {"peg": {"recover_for": "10m"}}])
def test_nothing_is_said_where_nothing_flaps(keys: dict[str, Any]) -> None:
    assert note(**keys) == ""
