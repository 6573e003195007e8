"""Latencies in buckets, and the messages that carry them between processes."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.scenarios.processes.tick import Recorder, Tick, Timeline
from loadtests.shared.latency_buckets import bucket, histogram, percentile, upper_ms

latencies = st.floats(0.02, 100_000)


@given(latencies)
def test_a_bucket_is_one_percent_wide(ms: float) -> None:
    assert ms <= upper_ms(bucket(ms)) * (1 + 1e-6)
    assert upper_ms(bucket(ms)) <= ms * 1.0101


def test_a_negative_latency_counts_as_the_smallest() -> None:
    assert bucket(-5) == 0


@given(st.lists(latencies, min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_exact_to_one_percent(values: list[float], share: float) -> None:
    wanted = min(value for value in values if sum(v <= value for v in values) >= share * len(values) - 1e-9)
    found = percentile(Counter(map(bucket, values)), share)
    assert found == pytest.approx(wanted, rel=0.011)


def test_there_is_no_percentile_of_nothing() -> None:
    assert percentile({}, 0.5) is None


@given(st.lists(latencies, min_size=1))
def test_the_histogram_for_people_loses_nothing_and_has_no_gaps(values: list[float]) -> None:
    bars = histogram(Counter(map(bucket, values)))
    assert sum(count for _, count in bars) == len(values)
    assert all(after / before == pytest.approx(10 ** (1 / 20)) for (before, _), (after, _) in itertools.pairwise(bars))


def test_a_tick_survives_its_way_through_json() -> None:
    recorder = Recorder()
    recorder.latency("pubsub", 3, 1.5)
    recorder.count("written", 3, 7)
    tick = recorder.take()
    assert Tick.decoded(json.loads(json.dumps(tick.encoded()))) == tick


def test_what_was_taken_is_not_taken_again() -> None:
    recorder = Recorder()
    recorder.count("written", 0)
    recorder.take()
    assert not recorder.take().counts


def test_seconds_of_the_warm_up_can_be_left_out() -> None:
    recorder, timeline = Recorder(), Timeline()
    for second in range(4):
        recorder.latency("pubsub", second, 10.0)
        recorder.count("written", second)
    timeline.add(recorder.take())
    assert (timeline.stage("pubsub", 2).total(), timeline.total("written", 2)) == (2, 2)
