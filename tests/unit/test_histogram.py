"""Counting latencies."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.processor.histogram import Histogram

SECONDS = st.floats(1e-5, 1e3)


def histogram_of(*seconds: float) -> Histogram:
    histogram = Histogram()
    for one in seconds:
        histogram.observe(one)
    return histogram


@given(st.lists(st.floats(-1, 1e3), max_size=20))
def test_many_counted_at_once_count_as_if_one_by_one(seconds: list[float]) -> None:
    histogram = Histogram()
    histogram.observe_all(seconds)
    assert (histogram.latencies().counts, histogram.latencies().max) == (
        histogram_of(*seconds).latencies().counts,
        histogram_of(*seconds).latencies().max,
    )
    assert histogram.latencies().sum == pytest.approx(histogram_of(*seconds).latencies().sum)


def test_nothing_counted_has_no_percentile() -> None:
    assert Histogram().latencies().percentile(0.5) is None


@given(st.lists(SECONDS, min_size=1, max_size=50), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_percentile_is_at_most_six_percent_too_high(seconds: list[float], share: float) -> None:
    found = histogram_of(*seconds).latencies().percentile(share)
    exact = exact_percentile(seconds, share)
    assert found is not None
    assert exact <= found * 1.000001
    assert found <= exact * 1.06


def exact_percentile(seconds: list[float], share: float) -> float:
    ordered = sorted(seconds)
    return next(one for rank, one in enumerate(ordered, 1) if rank >= share * len(ordered))


def test_no_percentile_is_above_the_largest_latency() -> None:
    assert histogram_of(0.5).latencies().percentile(0.99) == 0.5


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 0.0), (-3.0, 0.0), (1e-9, 1e-9)])
def test_what_is_too_small_to_tell_apart_counts_as_the_smallest(seconds: float, expected: float) -> None:
    assert histogram_of(seconds).latencies().percentile(0.5) == expected


def test_what_is_beyond_the_last_bucket_is_counted_with_its_size() -> None:
    assert histogram_of(1e6).latencies().percentile(0.5) == 1e6


def test_an_interval_holds_only_what_came_in_it() -> None:
    histogram = histogram_of(1.0, 1.0)
    earlier = histogram.latencies()
    histogram.observe(2.0)
    assert histogram.latencies().since(earlier).total == 1


def test_an_intervals_percentile_ignores_what_came_before_it() -> None:
    histogram = histogram_of(*[0.001] * 100)
    earlier = histogram.latencies()
    histogram.observe(2.0)
    assert histogram.latencies().since(earlier).percentile(0.01) == pytest.approx(2.0)


def test_no_observation_of_many_threads_is_lost() -> None:
    histogram = Histogram()

    def observe_often() -> None:
        for _ in range(5000):
            histogram.observe(0.1)

    threads = [threading.Thread(target=observe_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert histogram.latencies().total == 20_000
