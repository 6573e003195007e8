"""The fault suite's verdict: whatever is wrong anywhere makes it unclean, and it says what."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from loadtests.faults.recovery import RecoverySeconds
from loadtests.faults.report import FaultReport
from loadtests.faults.sighting import Sighting, sighting
from loadtests.shared.arrivals import Arrivals

COMMITTED = {"e": 4}


def report_on(*numbers: int) -> FaultReport:
    """What is said where these events of one entity have arrived, in this order."""
    arrivals = Arrivals("stream")
    for number in numbers:
        arrivals.note("e", number)
    report = FaultReport(seed=1, planned=500)
    report.add_sink(arrivals, COMMITTED)
    return report


def test_everything_in_order_is_clean() -> None:
    report = report_on(1, 2, 3, 4)
    assert (report.is_clean, report.lines()[-1]) == (True, "clean")


@pytest.mark.parametrize(
    ("arrived", "found"),
    [((1, 2, 4), {"lost": 1}), ((1, 3, 2, 4), {"reordered": 1}), ((1, 2, 3, 4, 5), {"phantoms": 1})],
)
def test_what_is_lost_swapped_or_invented_is_unclean(arrived: tuple[int, ...], found: dict[str, int]) -> None:
    report = report_on(*arrived)
    (sink,) = report.document()["sinks"]
    counts = {name: sink[name] for name in ("lost", "reordered", "phantoms") if sink[name]}
    assert (report.is_clean, report.lines()[-1], counts) == (False, "NOT CLEAN", found)


def test_duplicates_are_counted_and_clean() -> None:
    report = report_on(1, 2, 1, 2, 3, 4)
    assert (report.is_clean, report.sinks[0].duplicates) == (True, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cache_wrong": ["e: 4 in the cache, not 5"]},
        {"unreceived": 1},
        {"dead_letters": 1},
        {"problems": ["rtp-1 ended by itself"]},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_anything_else_that_is_wrong_is_unclean(wrong: dict[str, Any]) -> None:
    report = dataclasses.replace(report_on(1, 2, 3, 4), **wrong)
    assert (report.is_clean, report.lines()[-1]) == (False, "NOT CLEAN")


def test_a_wrong_cache_entry_is_named() -> None:
    report = report_on(1, 2, 3, 4)
    report.cache_wrong = ["e: 4 in the cache, not 5"]
    assert "PROBLEM: e: 4 in the cache, not 5" in report.lines()


def test_a_run_that_ended_early_says_how_far_it_went() -> None:
    report = report_on(1, 2, 3, 4)
    report.note_fault("redis-killed")
    report.ended_early = "interrupted"
    assert report.lines()[-1] == "clean, as far as it went: 1 of 500 faults, then interrupted"


def test_recoveries_are_held_against_the_aim() -> None:
    report = report_on(1, 2, 3, 4)
    for seconds in (0.5, 1.9, 2.1):
        report.note_recovery("redis-killed", RecoverySeconds(0.1, seconds, seconds))
    assert "after 2 of 3 everything was delivered within 2 s" in report.lines()


def document(**data: Any) -> str:
    return json.dumps({"sequence": "00000000000000000042", "data": data})


def test_an_events_number_is_read_from_its_value() -> None:
    seen = sighting(document(kind="tvl", chain="ethereum", entity="p1", current="7"))
    assert seen == Sighting("tvl:ethereum:p1", 6, 42)


def test_an_events_number_is_read_from_its_name() -> None:
    fields = {"name": {"previous": "v6", "current": "v7"}}
    seen = sighting(document(kind="protocol", chain="all", entity="m1", fields=fields))
    assert seen == Sighting("protocol:all:m1", 6, 42)
