"""Percentiles of benchmarks."""

from __future__ import annotations

import pytest

from loadtests.benchmarks.percentiles import percentile, percentiles_ms


@pytest.mark.parametrize(("share", "expected"), [(0.5, 51), (0.99, 100), (1.0, 100)])
def test_percentiles_of_a_hundred(share: float, expected: int) -> None:
    assert percentile(range(1, 101), share) == expected


def test_times_need_not_be_in_order() -> None:
    assert percentiles_ms("", [0.003, 0.001, 0.002]) == {"p50_ms": 2.0, "p99_ms": 3.0, "max_ms": 3.0}


def test_there_is_no_percentile_of_nothing() -> None:
    assert (percentile([], 0.5), percentiles_ms("", [])) == (None, {})
