"""The judge's memory takes most samples with two comparisons; after any history, the detector has come to the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from hypothesis import example, given
from hypothesis import strategies as st

from core.detection.detector import Detector
from core.detection.due import due_at
from core.detection.gone import deletion_that_stands, leave
from core.detection.judge import tick
from core.detection.report import Report
from core.detection.state import EntityState
from core.judging.entity import EntityMemory
from core.judging.findings import Findings
from core.judging.judgement import judge_appointments, judge_samples
from core.judging.sample import SampleRow
from core.judging.watches import InstalledWatch
from core.settings.watches import ValueWatch
from tests.watches import value_watch

KEY = (7, "ethereum", "usdc")
NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
PAUSES = st.sampled_from([None, None, "0s", "3m", "10m"])
RULES: dict[str, st.SearchStrategy[Any]] = {
    "shape": st.sampled_from(["latest", "history"]),
    "compare_with": st.sampled_from(["last_event", "last_event", "last_event", "previous_row"]),
    "percent": st.sampled_from(["1", "1", "0", "100", "150"]),
    "min_change": st.sampled_from(["0", "0", "0.005", "2"]),
    "heartbeat": PAUSES,
    "cooldown": PAUSES,
    "emit_first": st.booleans(),
    "peg": st.none()
    | st.fixed_dictionaries(
        {"deviation_bps": st.sampled_from([50, 5000])},
        optional={
            "recover_bps": st.sampled_from([20, 50]),
            "for": st.sampled_from(["2m", "5m"]),
            "recover_for": st.sampled_from(["2m", "5m"]),
            "severity_bps": st.just({"warning": 60, "critical": 90}),
        },
    ),
    "moves": st.sampled_from(
        [
            None,
            None,
            [{"over": "5m", "percent": "0.5"}],
            [{"over": "1h", "percent": 1, "direction": "down"}, {"over": "5m", "percent": 2, "recover_percent": 2}],
        ]
    ),
    "glitch_guard": st.none()
    | st.fixed_dictionaries(
        {"factor": st.sampled_from(["1.001", "2"]), "confirmations": st.integers(1, 2), "release_after": st.just("4m")},
        optional={"min_value": st.sampled_from(["0.5", "1.005"])},
    ),
}
WATCHES = st.fixed_dictionaries(RULES).map(lambda rules: value_watch("price", **rules))
ODD = ("0.5", "1.5", "2", "-2", "0", "-0", "2.5", "1e1000", "1e-1000", "NaN", "Infinity", "-Infinity")
VALUES = st.one_of(
    st.integers(989, 1011).map(lambda number: Decimal(number).scaleb(-3)),
    st.integers(989, 1011).map(lambda number: Decimal(number).scaleb(-3)),
    st.sampled_from(ODD).map(Decimal) | st.none(),
)
Step = tuple[Literal["sample", "deleted", "time", "restart"], int, Decimal | None]
STEPS = st.tuples(
    st.sampled_from(["sample"] * 12 + ["deleted", "time", "restart"]),
    st.sampled_from([0, 0, 1, 1, 2, 3, 7, -1, -4]),
    VALUES,
)
Found = list[tuple[Any, ...]]


def sample_row(number: int, what: str, moment: datetime, value: Decimal | None) -> SampleRow:
    """A row that says its own of each sample, and arrives late, more or less."""
    said = (moment - timedelta(hours=number), number / 100, f"source {number}")
    arrival = moment + timedelta(minutes=number * 7 % 5 - 1)
    return SampleRow(number, *KEY, what, value, moment, *said, None, None, arrival, f"{number}")


def by_memory(watch: ValueWatch, steps: list[Step]) -> tuple[list[EntityState | None], Found]:
    """The state after each step and the events, as the judge of the log finds them."""
    installed = InstalledWatch(KEY[0], "prices", watch, rules=1, is_sampled=True)
    entity, findings, moment = EntityMemory(KEY, installed, None), Findings(), NOON
    states = []
    for number, (what, minutes, value) in enumerate(steps):
        moment += timedelta(minutes=minutes)
        if what == "time":
            judge_appointments([entity], moment, findings)
        elif what == "restart":
            entity = EntityMemory(KEY, installed, entity.state)
        else:
            judge_samples([sample_row(number, what, moment, value)], {KEY: entity}, findings)
        states.append(entity.state)
    assert findings.errors == []
    return states, [
        (
            text(event.previous),
            text(event.current),
            event.reason,
            event.severity,
            event.duration_seconds,
            event.changed_at,
            event.confidence,
            event.provenance,
        )
        for event in findings.events
    ]


def by_detector(watch: ValueWatch, steps: list[Step]) -> tuple[list[EntityState | None], Found]:
    """The same, sample by sample."""
    detector, key, reports, moment = Detector(watch), KEY[1:], list[Report | None](), NOON
    states = []
    for number, (what, minutes, value) in enumerate(steps):
        moment += timedelta(minutes=minutes)
        state = detector.states.get(key)
        if state is not None and what in ("sample", "time"):
            reports.append(deletion_that_stands(state, moment, detector.rule(key)))
            if reports[-1] is not None:
                del detector.states[key]
        if what == "sample":
            reports.append(detector.feed(*key, sample_row(number, what, moment, value).sample))
        elif what == "deleted":
            if state is not None:
                said = sample_row(number, what, moment, value).testimony
                detector.states[key] = leave(state, moment, said=said)
        elif what == "time" and (state := detector.states.get(key)) is not None:
            due = due_at(state, detector.rule(key))
            if due is not None and due <= moment:
                judgement = tick(state, moment, detector.rule(key), compare_with=watch.compare_with)
                detector.states[key] = judgement.state
                reports.append(judgement.report)
        states.append(detector.states.get(key))
    return states, [
        (
            text(report.previous),
            text(report.current),
            report.reason,
            report.severity,
            report.duration_seconds,
            *report.testimony,
        )
        for report in reports
        if report is not None
    ]


def text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


X = Decimal("0.989")


@given(WATCHES, st.lists(STEPS, min_size=20, max_size=60))
@example(
    value_watch("price", percent=1, moves=[{"over": "5m", "percent": "0.5"}]),
    [("sample", minutes, value) for minutes, value in ((0, X), (2, X), (0, None), (0, X), (-1, X), (1, X))],
)
def test_the_memory_of_the_judge_comes_to_what_the_detector_does(watch: ValueWatch, steps: list[Step]) -> None:
    steps = [("sample", 0, Decimal(1)), *steps]
    assert repr(by_memory(watch, steps)) == repr(by_detector(watch, steps))


AT_ONCE_AT_MOST = 4
"""What can be due at one moment: the end of a quarantine, a depeg, the end of a cooldown or a heartbeat."""


@given(WATCHES, st.lists(STEPS, min_size=1, max_size=20))
@example(value_watch("price", peg={"for": "2m"}), [("sample", 0, Decimal("0.989")), ("sample", 1, None)] * 2)
def test_what_time_alone_has_brought_about_is_not_due_again(watch: ValueWatch, steps: list[Step]) -> None:
    rule = Detector(watch).rule(KEY[1:])
    for before in by_detector(watch, steps)[0]:
        if before is None or before.gone_at is not None or (due := due_at(before, rule)) is None:
            continue
        state = before
        for _ in range(AT_ONCE_AT_MOST):
            state = tick(state, due, rule, compare_with=watch.compare_with).state
        again = due_at(state, rule)
        assert again is None or again > due
