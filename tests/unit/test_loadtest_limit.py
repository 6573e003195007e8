"""How the limit is found, and which part is said to hold up more."""

from __future__ import annotations

import pytest

from loadtests.scenarios.limit import MOST_STEPS, find_limit, saturated
from loadtests.scenarios.results.result import RunResult
from tests.results import complete, result


def run_with_limit(limit: float, tried: list[float]) -> object:
    """A load test that fails above a rate."""

    def run(rate: float) -> RunResult:
        tried.append(rate)
        return result({"pubsub": 8.0 if rate <= limit else 800.0}, rate=rate)

    return run


def test_it_raises_the_rate_until_it_fails_and_then_looks_between() -> None:
    tried: list[float] = []
    *_, found = find_limit(run_with_limit(1200, tried), 500)  # type: ignore[arg-type]
    assert tried == [500, 750, 1125, 1688, 1406, 1266]
    assert found.passed is not None
    assert found.failed is not None
    assert (found.passed.rate, found.failed.rate) == (1125, 1266)


def test_it_ends_at_once_where_the_first_rate_fails() -> None:
    tried: list[float] = []
    *_, found = find_limit(run_with_limit(100, tried), 500)  # type: ignore[arg-type]
    assert (tried, found.passed) == ([500], None)


def test_it_ends_where_there_is_no_limit() -> None:
    tried: list[float] = []
    *_, found = find_limit(run_with_limit(1e12, tried), 500)  # type: ignore[arg-type]
    assert (len(tried), found.failed) == (MOST_STEPS, None)


IDLE = {"rtp": 0.3, "PostgreSQL": 0.4, "Redis": 0.1, "SQS endpoint": 0.2, "generator": 0.3}
LATE = {"pubsub": 900.0, "detect": 5.0, "process": 800.0}


@pytest.mark.parametrize(
    ("part", "p99_ms", "cpu"),
    [
        ("PostgreSQL", {"statement": 90.0, "lateness": 300.0, "pubsub": 900.0}, {}),
        ("the load generator itself", {"lateness": 300.0, "pubsub": 900.0}, {"generator": 0.97}),
        ("reader", {"detect": 700.0, "process": 750.0, "pubsub": 800.0}, {"rtp": 0.98}),
        ("reader", {"detect": 700.0, "process": 750.0, "pubsub": 800.0}, {}),
        ("judge", {"pubsub commit to judge": 900.0, "process": 50.0, "pubsub": 960.0}, {"rtp": 0.98}),
        ("judge", {"pubsub commit to judge": 900.0, "process": 50.0, "pubsub": 960.0}, {}),
        ("Redis", LATE, {"Redis": 0.95}),
        ("Redis", LATE, {}),
        ("SQS endpoint", {"sqs": 5000.0}, {"SQS endpoint": 0.99}),
        ("SQS endpoint", {"sqs": 5000.0}, {"SQS endpoint": 0.6, "rtp": 0.5}),
        ("SQS client", {"sqs": 5000.0}, {"rtp": 0.99}),
        ("SQS client", {"sqs": 5000.0}, {"SQS endpoint": 0.2, "rtp": 0.5}),
    ],
)
def test_the_part_that_saturates_is_named(part: str, p99_ms: dict[str, float], cpu: dict[str, float]) -> None:
    assert saturated(result(p99_ms, cpu=IDLE | cpu)).part == part


def test_a_full_machine_is_part_of_the_evidence() -> None:
    found = saturated(result({"sqs": 5000.0}, cpu=IDLE | {"PostgreSQL": 1.1}, machine_cpu=0.99))
    assert "99% busy, most of it by PostgreSQL" in found.evidence


def test_what_is_not_about_speed_is_laid_at_no_ones_door() -> None:
    assert saturated(result(received=complete(lost=1))).part == "no part"
