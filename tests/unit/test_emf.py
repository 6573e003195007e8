"""Figures in CloudWatch's embedded metric format."""

from __future__ import annotations

import json
from typing import Any

from core.emf import EmfLog, Figure, emf_lines

QUEUE = (("Queue", "alerts.fifo"),)


def documents(*figures: Figure) -> list[dict[str, Any]]:
    return [json.loads(line) for line in emf_lines("rtp", figures, 1.5)]


def written(log: list[str], name: str) -> list[float]:
    return [found[name] for found in map(json.loads, log) if name in found]


def test_a_line_says_which_of_its_members_are_metrics() -> None:
    (found,) = documents(Figure("Waiting", 3, "Seconds", QUEUE))
    assert found == {
        "_aws": {
            "Timestamp": 1500,
            "CloudWatchMetrics": [
                {
                    "Namespace": "rtp",
                    "Dimensions": [["Queue"], []],
                    "Metrics": [{"Name": "Waiting", "Unit": "Seconds"}],
                }
            ],
        },
        "Queue": "alerts.fifo",
        "Waiting": 3,
    }


def test_figures_of_two_things_are_two_lines() -> None:
    found = documents(Figure("Waiting", 1, "Count", QUEUE), Figure("Waiting", 2, "Count", (("Queue", "other.fifo"),)))
    assert [(one["Queue"], one["Waiting"]) for one in found] == [("alerts.fifo", 1), ("other.fifo", 2)]


def test_a_line_has_no_more_metrics_than_the_format_allows() -> None:
    found = documents(*(Figure(f"Figure{number}", number) for number in range(101)))
    assert [len(one["_aws"]["CloudWatchMetrics"][0]["Metrics"]) for one in found] == [100, 1]


def test_counts_add_up_until_the_interval_is_over_and_a_gauge_is_what_it_was_last() -> None:
    now, log = 0.0, list[str]()
    emf = EmfLog("rtp", log.append, interval_seconds=60, clock=lambda: now)
    emf.note([Figure("Records", 1), Figure("Waiting", 1, is_gauge=True)])
    now = 59
    emf.note([Figure("Records", 2), Figure("Waiting", 7, is_gauge=True)])
    now = 60
    emf.note([Figure("Records", 3), Figure("Waiting", 5, is_gauge=True)])
    assert (written(log, "Records"), written(log, "Waiting")) == ([1, 5], [1, 5])


def test_what_somebody_should_know_does_not_wait_for_the_interval() -> None:
    log = list[str]()
    emf = EmfLog("rtp", log.append, interval_seconds=60, clock=lambda: 0.0)
    emf.note([Figure("DeadLetters", 0)])
    emf.note([Figure("DeadLetters", 1)], at_once=True)
    assert written(log, "DeadLetters") == [0, 1]
