"""What holds of the detector after any history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from core.detection.band import band
from core.detection.due import due_at
from core.detection.judge import judge, tick
from core.detection.report import Report
from core.detection.state import EntityState, Judgement, Sample, Shape
from core.settings.guard import GlitchGuard
from core.settings.peg import Peg
from core.settings.rules import Rule
from core.settings.watches import SeverityTiers
from core.severity import severity
from rtp_client.event import Reason, Severity

NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
PAUSES = st.sampled_from([None, timedelta(0), timedelta(minutes=3), timedelta(minutes=10)])
NUMBERS = st.one_of(
    st.integers(990, 1010).map(lambda number: Decimal(number).scaleb(-3)),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=6),
    st.sampled_from(["0", "0.00", "1e30", "-1e-30"]).map(Decimal),
)
VALUES = st.one_of(NUMBERS, NUMBERS, st.none(), st.sampled_from(["NaN", "Infinity", "-Infinity"]).map(Decimal))
RULES = st.builds(
    Rule,
    percent=st.sampled_from(["0", "0.1", "1", "20"]).map(Decimal),
    min_change=st.sampled_from(["0", "0.005"]).map(Decimal),
    heartbeat=PAUSES,
    cooldown=PAUSES,
    emit_first=st.booleans(),
    severity=st.just(SeverityTiers()),
    glitch_guard=st.none()
    | st.builds(
        GlitchGuard,
        factor=st.sampled_from([Decimal("1.001"), Decimal(10)]),
        confirmations=st.integers(1, 2),
        release_after=st.just(timedelta(minutes=4)),
    ),
    peg=st.sampled_from([None, Peg()]),
)
MINUTES = st.lists(st.tuples(st.integers(-2, 6), VALUES), min_size=1, max_size=25)
COMPARISONS = st.sampled_from(["last_event", "previous_row"])
CompareWith = Literal["last_event", "previous_row"]


def samples(steps: list[tuple[int, Decimal | None]]) -> list[Sample]:
    moment, found = NOON, []
    for minutes, value in steps:
        moment += timedelta(minutes=minutes)
        found.append(Sample(value, moment))
    return found


def history(
    found: list[Sample], rule: Rule, *, compare_with: CompareWith = "last_event", ticking: bool = False
) -> tuple[EntityState, list[tuple[datetime, Report]]]:
    """The last state and every report with its time; with `ticking`, time itself is judged between samples."""
    state, reports = None, []
    for sample in found:
        while ticking and state is not None and (due := due_at(state, rule)) is not None and due < sample.at:
            judgement = tick(state, due, rule, compare_with=compare_with)
            state = judgement.state
            reports += [(due, judgement.report)] if judgement.report else []
        judgement = judge(state, sample, rule, compare_with=compare_with, shape="history")
        state = judgement.state
        reports += [(sample.at, judgement.report)] if judgement.report else []
    assert state is not None
    return state, reports


def is_within(percent: Decimal, baseline: Decimal | None, value: Decimal | None) -> bool:
    if baseline is None or value is None:
        return baseline is value
    if not (baseline.is_finite() and value.is_finite()):
        return str(baseline) == str(value)
    distance = abs(Fraction(value) - Fraction(baseline))
    return distance == 0 or distance * 100 < Fraction(percent) * abs(Fraction(baseline))


@given(MINUTES, RULES, st.booleans())
def test_the_newest_value_is_within_the_threshold_of_what_was_reported_unless_it_is_held_back(
    steps: list[tuple[int, Decimal | None]], rule: Rule, ticking: bool
) -> None:
    rule = replace(rule, min_change=Decimal(0))
    state, reports = history(samples(steps), rule, ticking=ticking)
    assert state.held or is_within(rule.percent, state.value, state.last_value)
    if reports:
        assert state.value is reports[-1][1].current


@given(MINUTES, RULES, COMPARISONS)
def test_every_sample_twice_is_the_same_as_once(
    steps: list[tuple[int, Decimal | None]], rule: Rule, compare_with: CompareWith
) -> None:
    once = samples(steps)
    twice = [sample for sample in once for _ in range(2)]
    assert repr(history(once, rule, compare_with=compare_with)) == repr(history(twice, rule, compare_with=compare_with))


@given(MINUTES, RULES, COMPARISONS)
def test_late_samples_change_nothing(
    steps: list[tuple[int, Decimal | None]], rule: Rule, compare_with: CompareWith
) -> None:
    everything = samples(steps)
    newest, timely = everything[0].at, []
    for sample in everything:
        if sample.at >= newest:
            newest = sample.at
            timely.append(sample)
    with_late, without = (history(found, rule, compare_with=compare_with) for found in (everything, timely))
    assert repr(with_late) == repr(without)


@given(MINUTES, RULES, st.booleans())
def test_with_last_event_each_report_starts_where_the_one_before_ended(
    steps: list[tuple[int, Decimal | None]], rule: Rule, ticking: bool
) -> None:
    reports = [report for _, report in history(samples(steps), rule, ticking=ticking)[1]]
    for before, after in pairwise(reports):
        assert after.previous is before.current


@given(MINUTES, RULES, COMPARISONS)
def test_a_deviation_or_heartbeat_keeps_the_cooldown(
    steps: list[tuple[int, Decimal | None]], rule: Rule, compare_with: CompareWith
) -> None:
    _, reports = history(samples(steps), rule, compare_with=compare_with, ticking=True)
    for (before, _), (after, report) in pairwise(reports):
        if report.reason in (Reason.DEVIATION, Reason.HEARTBEAT):
            assert after - before >= (rule.cooldown or timedelta(0))


@given(MINUTES, RULES, COMPARISONS)
def test_no_silence_is_longer_than_a_heartbeat(
    steps: list[tuple[int, Decimal | None]], rule: Rule, compare_with: CompareWith
) -> None:
    rule = replace(rule, heartbeat=timedelta(minutes=5), cooldown=None, emit_first=True)
    found = samples(steps)
    _, reports = history(found, rule, compare_with=compare_with, ticking=True)
    times = [at for at, _ in reports] + [max(sample.at for sample in found)]
    for before, after in pairwise(times):
        assert after - before <= timedelta(minutes=5)


@given(MINUTES, RULES)
def test_depegs_and_repegs_alternate_and_only_a_repeg_has_a_duration(
    steps: list[tuple[int, Decimal | None]], rule: Rule
) -> None:
    _, reports = history(samples(steps), replace(rule, peg=Peg()), ticking=True)
    pegs = [report for _, report in reports if report.reason in (Reason.DEPEG, Reason.REPEG)]
    assert [report.reason for report in pegs] == [Reason.DEPEG, Reason.REPEG] * (len(pegs) // 2) + [Reason.DEPEG] * (
        len(pegs) % 2
    )
    for _, report in reports:
        assert (report.duration_seconds is not None) == (report.reason is Reason.REPEG)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_bigger_change_is_never_less_severe(previous: Decimal, one: Decimal, other: Decimal) -> None:
    ranks = list(Severity)
    nearer, farther = sorted((one, other), key=lambda value: abs(Fraction(value) - Fraction(previous)))
    mild, bad = (severity(Reason.DEVIATION, previous, value, SeverityTiers()) for value in (nearer, farther))
    assert ranks.index(mild) <= ranks.index(bad)


@given(NUMBERS.filter(bool), NUMBERS)
def test_the_percentage_is_the_exact_one_rounded_once(previous: Decimal, current: Decimal) -> None:
    change_pct = Report(previous, current, Reason.DEVIATION, Severity.INFO).change_pct
    assert change_pct is not None
    exact = (Fraction(current) - Fraction(previous)) * 100 / abs(Fraction(previous))
    error = abs(Fraction(change_pct)) - abs(exact)
    assert -Fraction(1, 2_000_000) < error <= Fraction(1, 2_000_000)
    assert "E" not in change_pct
    assert not change_pct.startswith("-0") or Fraction(change_pct) < 0


@given(MINUTES, RULES, COMPARISONS, st.sampled_from(["latest", "history"]))
def test_a_sample_within_the_band_only_becomes_the_newest_one(
    steps: list[tuple[int, Decimal | None]], rule: Rule, compare_with: CompareWith, shape: Shape
) -> None:
    state = None
    for sample in samples(steps):
        judgement = judge(state, sample, rule, compare_with=compare_with, shape=shape)
        if state is not None and (shape == "latest" or sample.at > state.sample_at):
            found = band(state, rule, compare_with)
            if found is not None and found.holds(sample.value, sample.at):
                assert judgement == Judgement(replace(state, sample_at=sample.at, last_value=sample.value))
        state = judgement.state
