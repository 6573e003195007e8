"""How far a value is from its peg, in basis points."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.detection.peg import distance_bps
from core.settings.peg import Peg


@pytest.mark.parametrize(
    ("value", "peg", "expected"),
    [
        ("1", "1", "0"),
        ("0.995", "1", "-50"),
        ("1.00012345", "1", "1.23"),
        ("3.03", "3", "100"),
        ("0", "1", "-10000"),
        ("1e-999", "1", "-10000"),
        (None, "1", None),
        ("NaN", "1", None),
        ("Infinity", "1", None),
        ("1e60", "1", None),
    ],
)
def test_the_distance_has_two_decimals_and_a_sign(value: str | None, peg: str, expected: str | None) -> None:
    found = distance_bps(None if value is None else Decimal(value), Peg(value=Decimal(peg)))
    assert found == (None if expected is None else Decimal(expected))
