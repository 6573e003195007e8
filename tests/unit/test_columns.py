"""Rows as arrays of PostgreSQL's, column by column."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.judging.columns import by_column


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], "{}"),
        ([1, 2], "{1,2}"),
        (["a", "a", "b"], '{"a","a","b"}'),
        ([None, None], "{NULL,NULL}"),
        ([None, 0.5, None], "{NULL,0.5,NULL}"),
        (['{"\\}', '{"\\}'], '{"{\\"\\\\}","{\\"\\\\}"}'),
        ([Decimal("1.0"), Decimal("1.00")], "{1.0,1.00}"),
        ([Decimal("NaN"), Decimal("NaN")], "{NaN,NaN}"),
        ([True, True], "{True,True}"),
    ],
)
def test_a_column_is_written_digit_for_digit(values: list[object], expected: str) -> None:
    assert by_column(["it"], [(value,) for value in values]) == {"it": expected}
