"""What the judge of the sample log makes of samples is what the detector makes of them, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st

from core.detection.detector import Detector
from core.detection.due import due_at
from core.detection.gone import deletion_that_stands, leave
from core.detection.report import Report
from core.judging.entity import EntityMemory
from core.judging.findings import EventRow, Findings
from core.judging.judgement import judge_appointments, judge_samples
from core.judging.sample import SampleRow
from core.judging.watches import InstalledWatch
from core.settings.watches import ValueWatch
from tests.watches import value_watch

NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
KEY = (7, "ethereum", "usdc")
VALUES = st.sampled_from(
    [None, "NaN", "Infinity", "0", "1", "1.004", "0.9951", "1.0051", "0.99", "1.02", "3", "30", "-1", "1e40"]
)
STEPS = st.lists(st.tuples(st.integers(-2, 6), VALUES, st.booleans()), min_size=1, max_size=20)
WATCHES = st.fixed_dictionaries(
    {},
    optional={
        "compare_with": st.sampled_from(["last_event", "previous_row"]),
        "heartbeat": st.sampled_from(["3m", "10m"]),
        "cooldown": st.sampled_from(["0s", "3m"]),
        "emit_first": st.booleans(),
        "min_change": st.just("0.005"),
        "peg": st.sampled_from(
            [{}, {"for": "3m"}, {"recover_for": "2m"}, {"recover_bps": 50, "severity_bps": {"critical": 80}}]
        ),
        "moves": st.sampled_from(
            [[{"over": "5m", "percent": "0.5"}], [{"over": "1m", "percent": 1, "direction": "up"}]]
        ),
        "glitch_guard": st.just({"factor": 2, "confirmations": 2, "release_after": "4m"}),
    },
)


def sample_row(number: int, at: datetime, value: str | None, what: str = "sample") -> SampleRow:
    number_of_it = None if value is None else Decimal(value)
    said = (at - timedelta(hours=1), 0.5, f"source {number}")
    return SampleRow(number, *KEY, what, number_of_it, at, *said, f"trace {number}", None, at, f"{number}")


def remembered(watch: ValueWatch) -> EntityMemory:
    return EntityMemory(KEY, InstalledWatch(7, "prices", watch, 1, is_sampled=True), None)


def steps_of(events: list[EventRow]) -> list[tuple[Any, ...]]:
    return [
        (
            repr(e.previous),
            repr(e.current),
            e.reason,
            e.severity,
            e.duration_seconds,
            e.changed_at,
            e.confidence,
            e.provenance,
        )
        for e in events
    ]


def absence_ends(detector: Detector, at: datetime) -> Report | None:
    """What the detector's caller does before it judges what comes at a moment."""
    state = detector.states.get(KEY[1:])
    report = None if state is None else deletion_that_stands(state, at, detector.rule(KEY[1:]))
    if report is not None:
        del detector.states[KEY[1:]]
    return report


@given(STEPS, WATCHES, st.sampled_from(["latest", "history"]))
def test_samples_deletions_and_appointments_come_to_the_same(
    steps: list[tuple[int, str | None, bool]], rules: dict[str, Any], shape: Literal["latest", "history"]
) -> None:
    watch = value_watch("price", percent="0.5", shape=shape, **rules)
    entity, findings, detector = remembered(watch), Findings(), Detector(watch)
    expected: list[Report | None] = []
    at = NOON
    for number, (minutes, value, is_last) in enumerate(steps):
        at += timedelta(minutes=minutes)
        if (state := entity.state) is not None and (due := due_at(state, entity.rule)) is not None and due <= at:
            judge_appointments([entity], due, findings)
            expected += [absence_ends(detector, due)]
            expected += [j.report for j, _ in detector.wait(KEY[1:], due + timedelta.resolution) if j.report]
        row = sample_row(number, at, value)
        rows = [row]
        expected += [absence_ends(detector, at), detector.feed(*KEY[1:], row.sample)]
        if is_last and shape == "latest":
            rows.append(sample_row(number, at, None, "deleted")._replace(xid="another"))
            detector.states[KEY[1:]] = leave(detector.states[KEY[1:]], at, said=rows[-1].testimony)
        judge_samples(rows, {KEY: entity}, findings)
        assert repr(entity.state) == repr(detector.states.get(KEY[1:]))
    reports = [
        (repr(r.previous), repr(r.current), r.reason, r.severity, r.duration_seconds, *r.testimony)
        for r in expected
        if r
    ]
    assert steps_of(findings.events) == reports
    assert findings.errors == []


def test_an_event_carries_what_its_sample_carries() -> None:
    findings = Findings()
    entity = remembered(value_watch("price"))
    judge_samples([sample_row(1, NOON, "1"), sample_row(2, NOON, "2")], {KEY: entity}, findings)
    (event,) = findings.events
    assert (event.confidence, event.provenance, event.changed_at, event.traceparent) == (
        0.5,
        "source 2",
        NOON - timedelta(hours=1),
        "trace 2",
    )


def test_an_event_that_time_brings_carries_what_the_newest_row_says() -> None:
    findings = Findings()
    entity = remembered(value_watch("price", heartbeat="1h", confidence=0.9, provenance="llama"))
    judge_samples([sample_row(1, NOON, "1"), sample_row(2, NOON, "1.0001")], {KEY: entity}, findings)
    judge_appointments([entity], NOON + timedelta(hours=1), findings)
    (event,) = findings.events
    said = (event.confidence, event.provenance, event.changed_at, event.traceparent)
    assert said == (0.5, "source 2", NOON - timedelta(hours=1), None)


def test_where_the_row_says_nothing_an_event_carries_what_the_watch_says() -> None:
    findings = Findings()
    entity = remembered(value_watch("price", emit_first=True, confidence=0.9, provenance="llama"))
    row = sample_row(1, NOON, "1")._replace(changed_at=None, confidence=None, provenance=None)
    judge_samples([row], {KEY: entity}, findings)
    (event,) = findings.events
    assert (event.confidence, event.provenance, event.changed_at) == (0.9, "llama", NOON)


def test_samples_of_nobody_it_knows_are_passed() -> None:
    findings = Findings()
    judge_samples([sample_row(1, NOON, "1")], {}, findings)
    assert findings == Findings()
