"""What a load test requires, and when it says that rtp has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadtests.scenarios.results.criteria import judge
from tests.results import complete, evidence

if TYPE_CHECKING:
    from loadtests.scenarios.results.criteria import Evidence


def verdict(name: str, seen: Evidence) -> bool | None:
    """Whether the one criterion whose name begins so has passed."""
    return next(criterion.passed for criterion in judge(seen) if criterion.name.startswith(name))


def test_all_pass_when_all_is_well() -> None:
    assert {criterion.passed for criterion in judge(evidence())} == {True}


@pytest.mark.parametrize(
    ("name", "stage", "limit_ms"),
    [
        ("detection", "detect", 10),
        ("processing", "process", 50),
        ("end to end p99, pub/sub", "pubsub", 100),
        ("end to end p99, SQS", "sqs", 100),
    ],
)
def test_a_latency_must_stay_below_its_limit(name: str, stage: str, limit_ms: float) -> None:
    assert verdict(name, evidence({stage: limit_ms - 0.01})) is True
    assert verdict(name, evidence({stage: limit_ms})) is False


LATE = {"detect": 14.0, "process": 60.0}


@pytest.mark.parametrize(
    ("p99_ms", "verdicts"),
    [
        (LATE | {"pubsub from commit": 9.0}, ["PostgreSQL's own", "PostgreSQL's own"]),
        (LATE | {"pubsub from commit": 11.0}, ["FAIL", "PostgreSQL's own"]),
        ({"detect": 9.0, "pubsub from commit": 11.0}, ["pass", "pass"]),
        (LATE, ["FAIL", "FAIL"]),
    ],
)
def test_what_is_late_by_the_triggers_clock_alone_is_postgres_own(
    p99_ms: dict[str, float], verdicts: list[str]
) -> None:
    assert [criterion.verdict for criterion in judge(evidence(p99_ms))[:2]] == verdicts


@pytest.mark.parametrize(
    ("p99_ms", "passed"),
    [
        ({"pubsub commit to judge": 6.0, "detect": 3.0}, True),
        ({"pubsub commit to judge": 8.0, "detect": 3.0}, False),
        ({"pubsub commit to judge": 8.0, "detect": 3.0, "pubsub from commit": 9.0}, True),
    ],
)
def test_what_rtp_run_judges_is_late_from_the_commit_on(p99_ms: dict[str, float], passed: bool) -> None:
    assert verdict("detection", evidence(p99_ms)) is passed


def test_commits_of_which_some_are_unknown_excuse_nothing() -> None:
    stages = dict(evidence(LATE | {"pubsub from commit": 9.0}).latency_ms)
    stages["pubsub from commit"] = stages["pubsub from commit"].model_copy(update={"count": 999})
    assert verdict("detection", evidence(latency_ms=stages)) is False


def test_a_scenario_may_allow_more_time_from_end_to_end() -> None:
    assert verdict("end to end p99, pub/sub", evidence({"pubsub": 500}, end_to_end_ms=1000)) is True


def test_without_alerts_their_latency_is_not_required() -> None:
    without = {"pubsub": complete()["pubsub"]}
    names = [criterion.name for criterion in judge(evidence(received=without))]
    assert "end to end p99, SQS" not in names


def test_what_could_not_be_measured_has_neither_passed_nor_failed() -> None:
    assert verdict("detection", evidence(latency_ms={})) is None


@pytest.mark.parametrize(("rate", "throughput", "passed"), [(5000, 1000, True), (5000, 989, False), (200, 200, True)])
def test_a_thousand_events_a_second_are_required_or_all_that_was_offered(
    rate: float, throughput: float, passed: bool
) -> None:
    assert verdict("throughput", evidence(rate=rate, throughput=throughput)) is passed


def test_nothing_received_is_no_throughput() -> None:
    assert verdict("throughput", evidence(throughput=None)) is False


def test_the_hit_ratio_must_be_more_than_nine_tenths() -> None:
    assert verdict("cache", evidence(cache_hits=90, cache_misses=10)) is False
    assert verdict("cache", evidence(cache_hits=91, cache_misses=9)) is True


def test_one_lost_event_fails() -> None:
    assert verdict("nothing lost", evidence(received=complete(lost=1))) is False


@pytest.mark.parametrize(("lost_in_stream", "is_behind_redis"), [(0, True), (1, False)])
def test_what_was_lost_behind_redis_is_told_from_what_rtp_lost(lost_in_stream: int, is_behind_redis: bool) -> None:
    received = complete(lost=1) | {"stream": complete(lost=lost_in_stream)["pubsub"], "sqs": complete()["sqs"]}
    (found,) = (one for one in judge(evidence(received=received)) if one.name == "nothing lost")
    assert ("rtp:stream" in found.measured) is is_behind_redis


def test_nothing_lost_is_not_said_where_nobody_received() -> None:
    assert verdict("nothing lost", evidence(received={})) is False


def test_one_event_out_of_order_fails() -> None:
    assert verdict("order kept", evidence(received=complete(out_of_order=1))) is False


def test_a_repeated_delivery_is_allowed() -> None:
    assert {criterion.passed for criterion in judge(evidence(received=complete(duplicates=3)))} == {True}


def test_a_soak_fails_where_memory_grows() -> None:
    memory = [100_000_000 + second * 1_000_000 for second in range(100)]
    seen = evidence(watches_drift=True, memory=memory, p99_over_time=[5.0] * 100)
    assert (verdict("memory", seen), verdict("p99", seen)) == (False, True)


def test_a_soak_fails_where_p99_drifts() -> None:
    seen = evidence(watches_drift=True, memory=[1] * 100, p99_over_time=[5.0] * 50 + [8.0] * 50)
    assert (verdict("memory", seen), verdict("p99", seen)) == (True, False)
