"""Before and after: what is better, what is worse, and what is not alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadtests.scenarios.results.comparison import caveats, compare
from loadtests.scenarios.results.result import read_result
from tests.results import complete, result

if TYPE_CHECKING:
    from pathlib import Path

    from loadtests.scenarios.results.comparison import Difference


def named(name: str, differences: list[Difference]) -> Difference:
    return next(one for one in differences if one.name == name)


def test_a_run_is_the_same_as_itself() -> None:
    assert {one.verdict for one in compare(result(), result())} == {"same"}


@pytest.mark.parametrize(("after_ms", "verdict"), [(4.0, "better"), (16.0, "worse"), (8.4, "same")])
def test_less_latency_is_better_and_a_tenth_is_noise(after_ms: float, verdict: str) -> None:
    found = named("update to subscriber, p99 ms", compare(result(), result({"pubsub": after_ms})))
    assert found.verdict == verdict
    assert found.ratio == pytest.approx(after_ms / 8.0)


def test_more_throughput_is_better() -> None:
    assert named("throughput, events/s", compare(result(), result(throughput=2000.0))).verdict == "better"


def test_a_first_lost_event_is_worse_although_it_has_no_ratio() -> None:
    found = named("events lost", compare(result(), result(received=complete(lost=1))))
    assert (found.verdict, found.ratio) == ("worse", None)


def test_a_stage_that_only_one_run_has_is_left_out() -> None:
    without = result().model_copy(update={"latency_ms": {}})
    assert not any("p99" in one.name for one in compare(result(), without))


def test_runs_of_another_rate_or_machine_are_not_alike() -> None:
    found = caveats(result(), result(rate=500, machine={"CPU": "64 x other"}))
    assert found == ["rate: 1000.0 before, 500.0 after", "CPU: 2 x something before, 64 x other after"]


def test_a_result_comes_back_from_its_file_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(result().model_dump_json(), encoding="utf-8")
    assert read_result(path) == result()
