"""docs/reference/detection.md as a specification: the Python detector, one behaviour a test."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.detection.detector import Detector
from core.detection.due import due_at
from core.detection.gone import delete
from core.detection.judge import judge, tick
from core.detection.report import Report, amount_text
from core.detection.state import EntityState, Judgement, Sample
from core.detection.testimony import UNSAID, Testimony
from core.detection.verdict import verdict
from core.settings.guard import GlitchGuard
from core.settings.peg import Peg
from core.settings.rules import Rule
from core.settings.watches import SeverityTiers
from core.severity import severity
from rtp_client.event import Reason, Severity
from tests.steps import STEPS, STEPS_WITH_A_FLOOR_OF_5
from tests.watches import value_watch

NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PLAIN = Rule(
    percent=Decimal(1),
    min_change=Decimal(0),
    heartbeat=None,
    cooldown=None,
    emit_first=False,
    severity=SeverityTiers(),
    glitch_guard=None,
    peg=None,
)
GUARDED = replace(PLAIN, glitch_guard=GlitchGuard(factor=Decimal(10), release_after=timedelta(hours=1)))
PEGGED = replace(PLAIN, percent=Decimal(10), peg=Peg())


def number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


class Entity:
    """One entity's history under one rule; a value a minute from noon on."""

    def __init__(self, rule: Rule = PLAIN, **how: Any) -> None:
        self.rule = rule
        self.how = {"shape": "history", "compare_with": "last_event", **how}
        self.memory: EntityState | None = None
        self.minute = -1

    @property
    def state(self) -> EntityState:
        assert self.memory is not None
        return self.memory

    def sees(
        self, value: str | None, *, at_minute: float | None = None, said: Testimony = UNSAID, late_by: int = 0
    ) -> Judgement:
        self.minute += 1
        at = NOON + MINUTE * (self.minute if at_minute is None else at_minute)
        sample = Sample(number(value), at, said, at + MINUTE * late_by)
        judgement = judge(self.memory, sample, self.rule, **self.how)
        self.memory = judgement.state
        return judgement

    def reasons(self, *values: str | None) -> list[str | None]:
        reports = [self.sees(value).report for value in values]
        return [None if report is None else report.reason.value for report in reports]

    def notes(self, *values: str | None) -> list[str | None]:
        return [self.sees(value).note for value in values]

    def notes_of_late(self, *values: str | None, by_minutes: int) -> list[str | None]:
        return [self.sees(value, late_by=by_minutes).note for value in values]

    def waits(self, *, until_minute: float) -> Judgement:
        judgement = tick(self.state, NOON + MINUTE * until_minute, self.rule, compare_with=self.how["compare_with"])
        self.memory = judgement.state
        return judgement

    def due_minute(self) -> float | None:
        due = due_at(self.state, self.rule)
        return None if due is None else (due - NOON) / MINUTE


def reported(judgement: Judgement) -> Report:
    assert judgement.report is not None
    return judgement.report


# 1. Late


def test_an_older_sample_changes_nothing() -> None:
    entity = Entity()
    entity.reasons("100", "101")
    before = entity.state
    late = entity.sees("500", at_minute=0.5)
    assert (late.report, late.note) == (None, "late")
    assert entity.state == before


@pytest.mark.parametrize("value", ["100", "100.00", None, "NaN"])
def test_the_same_time_and_value_is_a_duplicate(value: str | None) -> None:
    entity = Entity()
    entity.sees(value, at_minute=0)
    assert entity.sees(value, at_minute=0).note == "duplicate"


def test_the_same_time_and_another_value_is_a_correction_and_judged() -> None:
    entity = Entity()
    entity.sees("100", at_minute=0)
    assert reported(entity.sees("102", at_minute=0)).reason is Reason.DEVIATION


def test_a_repeated_suspect_is_a_duplicate_and_confirms_nothing() -> None:
    entity = Entity(GUARDED)
    entity.sees("100", at_minute=0)
    entity.sees("5000", at_minute=1)
    assert entity.sees("5000", at_minute=1).note == "duplicate"


def test_in_a_latest_table_no_sample_is_late() -> None:
    entity = Entity(shape="latest")
    entity.sees("100", at_minute=5)
    assert reported(entity.sees("102", at_minute=4)).reason is Reason.DEVIATION


# 2. First sighting


def test_the_first_sighting_is_silent_and_becomes_the_baseline() -> None:
    entity = Entity()
    assert entity.sees("100").report is None
    assert reported(entity.sees("101")).previous == Decimal(100)


def test_with_emit_first_it_is_an_event() -> None:
    report = reported(Entity(replace(PLAIN, emit_first=True)).sees("100"))
    assert report == Report(None, Decimal(100), Reason.FIRST_SEEN, Severity.INFO)
    assert (report.change, report.change_pct) == (None, None)


# 3. Glitch guard


def test_a_jump_is_quarantined_and_the_baseline_stays() -> None:
    entity = Entity(GUARDED)
    entity.sees("100")
    jump = entity.sees("1000.01")
    assert (jump.report, jump.note) == (None, "quarantined")
    assert (jump.state.value, jump.state.suspect_value) == (Decimal(100), Decimal("1000.01"))


@pytest.mark.parametrize("value", ["1000", "10", "-1000", "NaN", "Infinity", None])
def test_what_is_no_jump(value: str | None) -> None:
    entity = Entity(GUARDED)
    entity.sees("100")
    assert entity.sees(value).note is None


@pytest.mark.parametrize("value", ["9.99", "0.000000001", "0", "-9.99"])
def test_a_drop_below_that_part_of_the_baseline_is_a_jump_too(value: str) -> None:
    entity = Entity(GUARDED)
    assert entity.notes("100", value) == [None, "quarantined"]


def test_zero_is_infinitely_far() -> None:
    assert Entity(GUARDED).notes("0", "0.000001") == [None, "quarantined"]


def test_between_values_below_min_value_nothing_is_a_jump() -> None:
    guard = GlitchGuard(factor=Decimal(10), min_value=Decimal(1000))
    rule = replace(PLAIN, glitch_guard=guard)
    assert Entity(rule).notes("1", "999", "0") == [None, None, None]
    assert Entity(rule).notes("1", "1000") == [None, "quarantined"]
    assert Entity(rule).notes("1000", "1") == [None, "quarantined"]


@pytest.mark.parametrize("there", ["0", "1", "5000"])
def test_a_value_that_comes_back_to_where_it_was_is_no_jump(there: str) -> None:
    entity = Entity(GUARDED)
    assert entity.notes("100", there, there, "101") == [None, "quarantined", "confirmed", None]
    assert entity.state.value == Decimal(101)


def test_it_comes_back_after_a_release_as_well() -> None:
    entity = Entity(GUARDED)
    entity.notes("100", "0")
    assert entity.waits(until_minute=61).note == "released"
    assert entity.notes("100") == [None]


def test_the_next_jump_after_it_has_come_back_is_held_again() -> None:
    entity = Entity(GUARDED)
    entity.notes("100", "0", "0", "100")
    assert entity.notes("0") == ["quarantined"]


def test_a_jump_the_other_way_confirms_nothing() -> None:
    entity = Entity(GUARDED)
    assert entity.notes("100", "5000", "0.01", "0.01") == [None, "quarantined", "quarantined", "confirmed"]


@pytest.mark.parametrize("baseline", ["NaN", "-Infinity", None])
def test_nothing_jumps_from_null_or_what_is_not_finite(baseline: str | None) -> None:
    entity = Entity(GUARDED)
    entity.sees(baseline)
    assert entity.sees("1e9").note is None


def test_a_jump_to_a_large_negative_value_is_one() -> None:
    entity = Entity(GUARDED)
    assert entity.notes("100", "-1001") == [None, "quarantined"]


def test_the_next_jump_confirms_and_is_judged() -> None:
    entity = Entity(GUARDED)
    entity.reasons("100", "5000")
    confirmed = entity.sees("6000")
    assert confirmed.note == "confirmed"
    assert (reported(confirmed).previous, reported(confirmed).current) == (Decimal(100), Decimal(6000))


def test_as_many_confirmations_as_asked_for() -> None:
    guard = GlitchGuard(factor=Decimal(10), confirmations=3)
    entity = Entity(replace(PLAIN, glitch_guard=guard))
    notes = entity.notes("100", "5000", "5001", "5002", "5003")
    assert notes == [None, "quarantined", "quarantined", "quarantined", "confirmed"]


def test_a_sample_that_is_no_jump_dismisses_the_quarantine_and_is_judged() -> None:
    entity = Entity(GUARDED)
    entity.reasons("100", "5000")
    dismissed = entity.sees("102")
    assert dismissed.note == "dismissed"
    assert reported(dismissed).previous == Decimal(100)
    assert dismissed.state.suspect_since is None


def test_a_jump_after_release_after_confirms_however_many_were_asked_for() -> None:
    guard = GlitchGuard(factor=Decimal(10), confirmations=5, release_after=timedelta(hours=1))
    entity = Entity(replace(PLAIN, glitch_guard=guard))
    entity.reasons("100", "5000")
    assert entity.sees("5000", at_minute=61).note == "confirmed"


def test_without_samples_the_last_suspect_is_released_after_a_time() -> None:
    entity = Entity(replace(GUARDED, glitch_guard=GlitchGuard(factor=Decimal(10), confirmations=2)))
    entity.reasons("100", "5000", "5001")
    assert entity.due_minute() == 61
    assert entity.waits(until_minute=60.9).note is None
    released = entity.waits(until_minute=61)
    assert (released.note, reported(released).current) == ("released", Decimal(5001))
    assert entity.due_minute() is None


def test_a_quarantined_value_says_nothing_about_the_peg() -> None:
    entity = Entity(replace(GUARDED, peg=Peg()))
    assert entity.reasons("1", "50", "1") == [None, None, None]


def test_a_depeg_that_turned_out_to_be_true_began_with_the_quarantine() -> None:
    entity = Entity(replace(GUARDED, peg=Peg.model_validate({"for": "1m"})))
    assert entity.reasons("1", "0.01", "0.02") == [None, None, "depeg"]
    assert entity.state.off_peg_since == NOON + MINUTE
    repeg = reported(entity.sees("1"))
    assert repeg.details == {"off_since": "2024-03-19T12:01:00.000000Z", "lowest": "0.01"}


def test_a_price_off_its_peg_may_have_been_lower_in_quarantine() -> None:
    entity = Entity(replace(GUARDED, peg=Peg()))
    entity.reasons("1", "0.9", "0.01", "0.02")
    assert reported(entity.sees("1")).details["lowest"] == "0.01"


# 4. Peg


def test_going_off_the_peg_is_an_event_and_coming_back_another_with_the_duration() -> None:
    entity = Entity(PEGGED)
    assert entity.reasons("1.0000", "0.9951", "0.9950", "0.9940", "0.9950") == [None, None, "depeg", None, None]
    repeg = reported(entity.sees("0.9976", at_minute=12))
    assert (repeg.reason, repeg.duration_seconds) == (Reason.REPEG, 600.0)


def test_it_is_back_only_within_the_nearer_band() -> None:
    entity = Entity(PEGGED)
    assert entity.reasons("1", "0.995", "0.9951", "0.9975", "0.9949", "0.9976") == [
        None, "depeg", None, None, None, "repeg",
    ]  # fmt: skip


def test_one_that_comes_and_goes_is_back_once_it_has_stayed_so_long() -> None:
    entity = Entity(pegged(recover_for="3m"))
    assert entity.reasons("1", "0.99", "1", "0.995", "0.999", "0.997", "0.999") == [
        None, "depeg", None, None, None, None, None,
    ]  # fmt: skip
    repeg = reported(entity.sees("0.997"))
    assert (repeg.reason, repeg.duration_seconds) == (Reason.REPEG, 180.0)


def test_that_time_is_up_without_a_sample_too() -> None:
    entity = Entity(pegged(recover_for="30m"))
    entity.reasons("1", "0.99", "1")
    assert entity.due_minute() == 32
    assert entity.waits(until_minute=31.9).report is None
    repeg = reported(entity.waits(until_minute=32))
    assert (repeg.reason, repeg.duration_seconds, entity.due_minute()) == (Reason.REPEG, 60.0, None)


@pytest.mark.parametrize("pause", ["for", "recover_for"])
def test_heartbeats_of_a_silence_do_not_pass_over_the_end_of_a_time(pause: str) -> None:
    watch = value_watch("price", shape="history", heartbeat="90s", percent=50, peg={pause: "5m"})
    detector, at = Detector(watch), NOON
    for value in ("1", "0.99") if pause == "for" else ("1", "0.99", "1"):
        detector.feed("base", "usdc", Sample(Decimal(value), at))
        at += MINUTE
    told = [one.report.reason for one, _ in detector.wait(("base", "usdc"), NOON + 120 * MINUTE) if one.report]
    assert "".join(reason[0] for reason in told[:5]) == ("hhhdh" if pause == "for" else "hhhrh")


def test_a_price_that_is_on_its_way_back_may_get_worse() -> None:
    entity = Entity(pegged(recover_for="30m"))
    assert entity.reasons("1", "0.99", "1", "0.94", "1") == [None, "depeg", None, "escalated", None]


def test_with_both_bands_alike_every_crossing_counts() -> None:
    rule = replace(PEGGED, peg=Peg(recover_bps=Decimal(50)))
    assert Entity(rule).reasons("1", "0.995", "0.9951", "0.995") == [None, "depeg", "repeg", "depeg"]


def pegged(**written: Any) -> Rule:
    return replace(PEGGED, peg=Peg.model_validate(written))


def severities(entity: Entity, *values: str) -> list[str | None]:
    reports = [entity.sees(value).report for value in values]
    return [None if report is None else f"{report.reason} {report.severity}" for report in reports]


def test_a_depeg_is_as_severe_as_its_distance_and_a_repeg_as_its_worst() -> None:
    assert severities(Entity(PEGGED), "1", "0.995", "0.951", "0.999") == [
        None, "depeg warning", None, "repeg warning",
    ]  # fmt: skip
    assert severities(Entity(PEGGED), "1", "0.95", "0.999") == [None, "depeg critical", "repeg critical"]


def test_a_worse_tier_is_told_once() -> None:
    entity = Entity(pegged(severity_bps={"warning": 100, "critical": 300}))
    assert severities(entity, "1", "0.994", "0.989", "0.995", "0.988", "0.97", "0.96", "1") == [
        None, "depeg info", "escalated warning", None, None, "escalated critical", None, "repeg critical",
    ]  # fmt: skip


def test_a_second_crash_is_told_once_the_price_was_nearer_than_half_of_the_tier() -> None:
    assert severities(Entity(PEGGED), "1", "0.94", "0.975", "0.94", "0.9751", "0.951", "0.95", "0.94", "1") == [
        None, "depeg critical", None, None, None, None, "escalated critical", None, "repeg critical",
    ]  # fmt: skip


def test_it_must_have_been_nearer_for_as_long_as_a_way_back_takes() -> None:
    entity = Entity(pegged(recover_for="3m"))
    values = ("1", "0.94", "0.98", "0.98", "0.975", "0.98", "0.98", "0.94", "0.98", "0.98", "0.98", "0.94")
    assert entity.reasons(*values) == [None, "depeg", *[None] * 9, "escalated"]


def test_a_lesser_tier_of_the_second_crash_is_told_too_and_the_repeg_is_as_severe_as_the_first() -> None:
    entity = Entity(pegged(severity_bps={"warning": 100, "critical": 300}, recover_bps=20, recover_for="1m"))
    assert severities(entity, "1", "0.96", "0.997", "0.997", "0.997", "0.98", "0.98", "1", "1") == [
        None, "depeg critical", None, None, None, "escalated warning", None, None, "repeg critical",
    ]  # fmt: skip


def test_a_crash_that_was_in_quarantine_ends_the_time_to_stay_nearer() -> None:
    guard = GlitchGuard(factor=Decimal(2), confirmations=2, release_after=timedelta(hours=1))
    entity = Entity(replace(pegged(recover_for="3m"), glitch_guard=guard, percent=Decimal(100)))
    assert entity.reasons("1", "0.9", "0.98", "0.98", "0.4", "0.4", "0.4") == [None, "depeg", *[None] * 5]


def test_a_cooldown_hides_no_escalation() -> None:
    entity = Entity(replace(PEGGED, cooldown=timedelta(days=1)))
    assert entity.reasons("1", "0.99", "0.94") == [None, "depeg", "escalated"]


def test_events_of_the_peg_tell_since_when_and_the_lowest_price() -> None:
    entity = Entity(PEGGED)
    events = [entity.sees(value).report for value in ("1", "0.99", "0.93", "0.9", "0.97", "1")]
    told = [one.details for one in events if one is not None and one.details]
    since = "2024-03-19T12:01:00.000000Z"
    assert told == [
        {"off_since": since, "lowest": "0.99"},
        {"off_since": since, "lowest": "0.93"},
        {"off_since": since, "lowest": "0.9"},
    ]


def test_what_happens_off_the_peg_is_as_severe_as_the_distance() -> None:
    entity = Entity(replace(PEGGED, percent=Decimal(1)))
    assert severities(entity, "1", "0.9", "0.88") == [None, "depeg critical", "deviation critical"]


def test_a_price_must_be_off_for_so_long() -> None:
    entity = Entity(pegged(**{"for": "3m"}))
    assert entity.reasons("1", "0.99", "0.98", "0.99", "0.99") == [None, None, None, None, "depeg"]
    assert entity.state.off_peg_since == NOON + MINUTE


def test_a_price_that_is_less_far_off_meanwhile_begins_anew() -> None:
    entity = Entity(pegged(**{"for": "2m"}))
    assert entity.reasons("1", "0.99", "0.9951", "0.99", "0.99", "0.99") == [None, None, None, None, None, "depeg"]


def test_the_time_is_up_without_a_sample() -> None:
    entity = Entity(pegged(**{"for": "5m"}))
    entity.reasons("1", "0.94")
    assert entity.due_minute() == 6
    assert entity.waits(until_minute=5.9).report is None
    depeg = reported(entity.waits(until_minute=6))
    assert (depeg.reason, depeg.severity, depeg.details["off_since"]) == (
        Reason.DEPEG, Severity.CRITICAL, "2024-03-19T12:01:00.000000Z",
    )  # fmt: skip
    assert entity.due_minute() is None


@pytest.mark.parametrize("value", [None, "NaN"])
def test_after_what_is_no_number_the_next_number_decides(value: str | None) -> None:
    entity = Entity(pegged(**{"for": "3m"}))
    entity.reasons("1", "0.99", value)
    assert entity.due_minute() is None
    assert entity.reasons("0.99", "0.99")[-1] == "depeg"


def test_a_peg_from_before_there_was_more_to_remember_was_told_as_a_warning() -> None:
    entity = Entity(PEGGED)
    entity.memory = EntityState(Decimal("0.99"), NOON, NOON, Decimal("0.99"), off_peg_since=NOON)
    assert severities(entity, "0.98", "1") == [None, "repeg warning"]


def test_only_a_repeg_has_a_duration() -> None:
    entity = Entity(PEGGED)
    entity.sees("1")
    assert reported(entity.sees("0.9")).duration_seconds is None


def test_a_price_above_its_peg_is_off_as_well() -> None:
    assert Entity(PEGGED).reasons("1", "1.005") == [None, "depeg"]


def test_a_peg_elsewhere_than_at_one() -> None:
    euro = replace(PEGGED, peg=Peg(value=Decimal("1.08"), deviation_bps=Decimal(100)))
    assert Entity(euro).reasons("1.08", "1.0692001", "1.0692") == [None, None, "depeg"]


def test_a_first_sighting_off_the_peg_is_a_depeg_with_the_second_sample() -> None:
    assert Entity(PEGGED).reasons("0.9", "0.9") == [None, "depeg"]


@pytest.mark.parametrize("value", [None, "NaN", "Infinity"])
def test_what_is_not_finite_leaves_the_peg_as_it_is(value: str | None) -> None:
    entity = Entity(PEGGED)
    reasons = entity.reasons("1", "0.9", value, "1")
    assert (reasons[1], reasons[3]) == ("depeg", "repeg")


def test_depeg_and_repeg_mind_neither_percent_nor_min_change_nor_cooldown() -> None:
    rule = replace(PEGGED, percent=Decimal(50), min_change=Decimal(10), cooldown=timedelta(days=1))
    assert Entity(rule).reasons("1", "0.99", "1") == [None, "depeg", "repeg"]


def test_a_sample_is_one_event_at_most_and_a_depeg_moves_the_baseline() -> None:
    entity = Entity(replace(PEGGED, percent=Decimal("0.1")))
    assert entity.reasons("1", "0.99", "0.9899") == [None, "depeg", None]


def test_off_the_peg_the_other_rules_go_on() -> None:
    assert Entity(replace(PEGGED, percent=Decimal(1))).reasons("1", "0.9", "0.8") == [None, "depeg", "deviation"]


def test_a_duration_is_never_negative() -> None:
    entity = Entity(PEGGED, shape="latest")
    entity.sees("1")
    entity.sees("0.9", at_minute=5)
    assert reported(entity.sees("1", at_minute=4)).duration_seconds == 0


# 5. Verdict


@pytest.mark.parametrize(("previous", "current", "reason"), STEPS)
def test_the_verdict_on_a_step(previous: str | None, current: str | None, reason: str | None) -> None:
    assert verdict(number(previous), number(current), PLAIN) == reason


def test_the_largest_and_smallest_of_numeric_do_not_overflow() -> None:
    assert verdict(Decimal("1e131071"), Decimal("1e-16383"), PLAIN) is Reason.DEVIATION


@pytest.mark.parametrize(("previous", "current", "reason"), STEPS_WITH_A_FLOOR_OF_5)
def test_min_change_is_a_floor_under_every_finite_step(previous: str | None, current: str, reason: str | None) -> None:
    assert verdict(number(previous), number(current), replace(PLAIN, min_change=Decimal(5))) == reason


def test_a_percent_of_zero_reports_every_change() -> None:
    assert Entity(replace(PLAIN, percent=Decimal(0))).reasons("1", "1.0000001", "1.0000001") == [
        None,
        "deviation",
        None,
    ]


# 6. Heartbeat

BEATING = replace(PLAIN, heartbeat=timedelta(minutes=10))


def test_a_sample_that_comes_a_heartbeat_after_the_last_report_is_an_event() -> None:
    entity = Entity(BEATING)
    entity.sees("100", at_minute=0)
    assert entity.sees("100", at_minute=9.9).report is None
    assert reported(entity.sees("100.5", at_minute=10)).reason is Reason.HEARTBEAT


def test_a_heartbeat_moves_the_baseline() -> None:
    entity = Entity(BEATING)
    entity.sees("100", at_minute=0)
    entity.sees("100.9", at_minute=10)
    assert entity.sees("101.5", at_minute=11).report is None


def test_an_event_starts_the_wait_anew() -> None:
    entity = Entity(BEATING)
    entity.sees("100", at_minute=0)
    entity.sees("200", at_minute=7)
    assert entity.due_minute() == 17


def test_without_samples_a_heartbeat_reports_the_newest_value() -> None:
    entity = Entity(BEATING)
    entity.sees("100", at_minute=0)
    entity.sees("100.5", at_minute=1)
    assert entity.due_minute() == 10
    report = reported(entity.waits(until_minute=10))
    assert (report.reason, report.previous, report.current) == (Reason.HEARTBEAT, Decimal(100), Decimal("100.5"))
    assert entity.due_minute() == 20


def test_a_heartbeat_during_a_quarantine_reports_the_value_before_it() -> None:
    entity = Entity(replace(GUARDED, heartbeat=timedelta(minutes=10)))
    entity.reasons("100", "5000")
    assert reported(entity.waits(until_minute=10)).current == Decimal(100)
    assert entity.state.suspect_value == Decimal(5000)


def test_time_that_is_not_up_brings_nothing_about() -> None:
    entity = Entity(BEATING)
    entity.sees("100")
    assert entity.waits(until_minute=9.99) == Judgement(entity.state)


# 7. Cooldown

COOLED = replace(PLAIN, cooldown=timedelta(minutes=10))


def test_a_deviation_within_the_cooldown_is_held_and_the_baseline_stays() -> None:
    entity = Entity(COOLED)
    entity.sees("100", at_minute=0)
    held = entity.sees("110", at_minute=9.9)
    assert (held.report, held.note, held.state.value) == (None, "held", Decimal(100))
    assert entity.due_minute() == 10


def test_when_the_cooldown_ends_the_value_of_then_is_judged() -> None:
    entity = Entity(COOLED)
    entity.reasons("100", "110", "120")
    assert reported(entity.waits(until_minute=10)).current == Decimal(120)


def test_a_value_that_has_come_back_by_then_is_no_event() -> None:
    entity = Entity(COOLED)
    entity.reasons("100", "110", "100.5")
    assert entity.due_minute() is None
    assert entity.waits(until_minute=10).report is None


def test_a_sample_after_the_cooldown_is_judged_at_once() -> None:
    entity = Entity(COOLED)
    entity.sees("100", at_minute=0)
    assert reported(entity.sees("110", at_minute=10)).reason is Reason.DEVIATION


@pytest.mark.parametrize(("first", "then"), [("1", "0"), ("0", "1"), ("1", None), (None, "1"), ("1", "NaN")])
def test_only_deviations_and_heartbeats_are_held(first: str | None, then: str | None) -> None:
    entity = Entity(COOLED)
    entity.sees(first)
    assert entity.sees(then).report is not None


def test_a_heartbeat_shorter_than_the_cooldown_waits_for_its_end() -> None:
    entity = Entity(replace(COOLED, heartbeat=timedelta(minutes=4)))
    entity.sees("100", at_minute=0)
    assert entity.due_minute() == 10
    assert entity.sees("100", at_minute=5).note == "held"
    assert reported(entity.waits(until_minute=10)).reason is Reason.HEARTBEAT


def test_a_duration_of_zero_switches_off() -> None:
    entity = Entity(replace(PLAIN, heartbeat=timedelta(0), cooldown=timedelta(0)))
    assert entity.reasons("100", "100", "102", "110") == [None, None, "deviation", "deviation"]
    assert entity.due_minute() is None


# The entity's own clock


def test_a_late_arrival_is_no_passing_of_time() -> None:
    rule = replace(GUARDED, glitch_guard=GlitchGuard(factor=Decimal(2), release_after=5 * MINUTE))
    entity = Entity(rule)
    assert entity.notes_of_late("101", "300", by_minutes=10) == [None, "quarantined"]
    assert entity.due_minute() == 1 + 5 + 10
    assert entity.waits(until_minute=15.9).note is None
    assert entity.waits(until_minute=16).note == "released"
    assert entity.state.reported_at == NOON + 6 * MINUTE


def test_of_a_cooldown_and_a_heartbeat_likewise() -> None:
    entity = Entity(replace(COOLED, heartbeat=20 * MINUTE))
    assert entity.notes_of_late("100", "110", by_minutes=3) == [None, "held"]
    assert entity.due_minute() == 10 + 3
    assert reported(entity.waits(until_minute=13)).reason is Reason.DEVIATION
    assert entity.due_minute() == 10 + 20 + 3


def test_the_newest_sample_says_how_far_behind_the_clock_is() -> None:
    entity = Entity(replace(PLAIN, heartbeat=20 * MINUTE))
    entity.notes_of_late("100", by_minutes=30)
    entity.notes_of_late("100", by_minutes=2)
    assert entity.due_minute() == 20 + 2
    assert reported(entity.waits(until_minute=22)).reason is Reason.HEARTBEAT


def test_a_sample_ahead_of_its_arrival_has_no_lag() -> None:
    assert Sample(None, NOON, seen_at=NOON - MINUTE).lag == timedelta(0)


def test_in_a_latest_table_the_clock_is_the_servers() -> None:
    entity = Entity(replace(PLAIN, heartbeat=20 * MINUTE), shape="latest")
    entity.notes_of_late("100", by_minutes=30)
    assert entity.due_minute() == 20


def test_late_heartbeats_in_a_row_are_as_many_as_they_are_one_by_one() -> None:
    detector = Detector(value_watch(shape="history", heartbeat="10m"))
    detector.feed("all", "lido", Sample(Decimal(100), NOON, seen_at=NOON + 25 * MINUTE))
    silences = [times for _, times in detector.wait(("all", "lido"), NOON + 60 * MINUTE)]
    assert sum(silences) == 3  # at 35, 45 and 55 minutes


# Testimony


def test_each_report_tells_of_the_row_whose_value_it_has() -> None:
    entity = Entity(replace(GUARDED, heartbeat=timedelta(hours=5)))
    entity.sees("100", said=Testimony(NOON, 0.9, "llama"))
    entity.sees("5000", said=Testimony(NOON, 0.3, "dune"))
    assert reported(entity.waits(until_minute=61)).testimony == Testimony(NOON, 0.3, "dune")
    entity.sees("5001", said=Testimony(NOON, 0.5, "desk"), at_minute=62)
    assert reported(entity.waits(until_minute=361)).testimony == Testimony(NOON, 0.5, "desk")


def test_a_deletion_takes_the_word_of_the_row_removed_then_of_the_newest_one() -> None:
    entity = Entity(GUARDED)
    entity.sees("100", said=Testimony(NOON, 0.9, "llama"))
    entity.sees("5000", said=Testimony(NOON, 0.3, "dune"))
    gone_at = NOON + MINUTE
    assert delete(entity.state, GUARDED, Testimony(gone_at, 0.5)).testimony == Testimony(gone_at, 0.5, "dune")


# What a value is compared with


def test_a_slow_drift_is_reported_once_it_adds_up() -> None:
    assert Entity().reasons("100", "100.5", "100.9", "101") == [None, None, None, "deviation"]


def test_previous_row_compares_with_the_sample_before_and_misses_it() -> None:
    entity = Entity(compare_with="previous_row")
    assert entity.reasons("100", "100.9", "101.5", "103") == [None, None, None, "deviation"]
    assert entity.state.value == Decimal(103)


def test_previous_row_does_not_compare_with_what_was_quarantined() -> None:
    entity = Entity(GUARDED, compare_with="previous_row")
    assert entity.reasons("100", "100.5", "5000", "101") == [None, None, None, None]


def test_previous_row_compares_with_the_sample_before_the_one_held() -> None:
    entity = Entity(COOLED, compare_with="previous_row")
    entity.reasons("100", "110", "110.5")
    assert reported(entity.waits(until_minute=10)).previous == Decimal(100)


# Deletion


def test_a_deletion_is_an_event_with_the_baseline_as_previous() -> None:
    entity = Entity()
    entity.reasons("100", "100.5")
    assert delete(entity.state, PLAIN) == Report(Decimal(100), None, Reason.DELETED, Severity.WARNING)


# Severity


@pytest.mark.parametrize(
    ("previous", "current", "expected"),
    [
        ("100", "104.99999999", "info"),
        ("100", "105", "warning"),
        ("100", "95", "warning"),
        ("100", "119.99", "warning"),
        ("100", "80", "critical"),
        ("-100", "-120", "critical"),
    ],
)
def test_a_change_has_the_highest_tier_that_it_reaches(previous: str, current: str, expected: str) -> None:
    assert severity(Reason.DEVIATION, Decimal(previous), Decimal(current), SeverityTiers()) == expected


def test_a_change_below_every_tier_is_info() -> None:
    assert severity(Reason.DEVIATION, Decimal(100), Decimal(101), SeverityTiers(info=Decimal(3))) is Severity.INFO


@pytest.mark.parametrize(
    ("reason", "previous", "current", "expected"),
    [
        (Reason.TO_NULL, "1", None, "warning"),
        (Reason.NOT_FINITE, "1", "NaN", "warning"),
        (Reason.DELETED, "1", None, "warning"),
        (Reason.FROM_ZERO, "0", "1", "warning"),
        (Reason.DEPEG, "0", "1.1", "warning"),
        (Reason.FROM_NULL, None, "1", "info"),
        (Reason.FINITE_AGAIN, "NaN", "1", "info"),
        (Reason.FIRST_SEEN, None, "1", "info"),
        (Reason.HEARTBEAT, "0", "0", "info"),
        (Reason.REPEG, None, "1", "info"),
        (Reason.TO_ZERO, "1", "0", "critical"),
        (Reason.DEPEG, "1", "0.99", "warning"),
        (Reason.DEPEG, "1", "0.7", "critical"),
    ],
)
def test_the_severity_by_reason(reason: Reason, previous: str | None, current: str | None, expected: str) -> None:
    assert severity(reason, number(previous), number(current), SeverityTiers()) == expected


# How a step is written


@pytest.mark.parametrize(
    ("previous", "current", "change", "change_pct"),
    [
        ("100", "102.50", "2.50", "2.5"),
        ("100.000", "99", "-1.000", "-1"),
        ("3", "4", "1", "33.333333"),
        ("-3", "-1", "2", "66.666667"),
        ("1000000", "1000000.005", "0.005", "0.000001"),
        ("1000000", "1000000.00499", "0.00499", "0"),
        ("1000000", "999999.99501", "-0.00499", "0"),
        ("1E+3", "2E+3", "1000", "100"),
        ("7", "1e20", "99999999999999999993", "1428571428571428571328.571429"),
        ("0", "1", "1", None),
        ("1e-1001", "1", f"0.{'9' * 1001}", None),
        ("1", "NaN", None, None),
    ],
)
def test_the_change_as_postgresql_writes_it(
    previous: str, current: str, change: str | None, change_pct: str | None
) -> None:
    report = Report(Decimal(previous), Decimal(current), Reason.DEVIATION, Severity.INFO)
    assert (report.change, report.change_pct) == (change, change_pct)


@pytest.mark.parametrize(
    ("value", "text"),
    [("1e3", "1000"), ("-0.00", "0.00"), ("1.50", "1.50"), ("-NaN", "NaN"), ("-Infinity", "-Infinity")],
)
def test_an_amount_as_postgresql_writes_it(value: str, text: str) -> None:
    assert amount_text(Decimal(value)) == text


# All entities of a watch


def test_a_detector_keeps_entities_apart_and_gives_each_its_rule() -> None:
    detector = Detector(value_watch(overrides=[{"protocol": "lido", "percent": 50}]))
    for value in ("100", "110"):
        reports = {
            (chain, entity): detector.feed(chain, entity, Sample(Decimal(value), NOON))
            for chain in ("ethereum", "base")
            for entity in ("lido", "aave")
        }
    assert [key for key, report in reports.items() if report] == [("ethereum", "aave"), ("base", "aave")]


def test_a_detector_goes_on_from_given_states() -> None:
    states: dict[tuple[str, str], EntityState] = {}
    Detector(value_watch(), states=states).feed("all", "lido", Sample(Decimal(100), NOON))
    report = Detector(value_watch(), states=states).feed("all", "lido", Sample(Decimal(110), NOON + MINUTE))
    assert report is not None
    assert report.change_pct == "10"


def test_a_detector_forgets_what_is_deleted() -> None:
    detector = Detector(value_watch())
    detector.feed("all", "lido", Sample(Decimal(100), NOON))
    report = detector.delete("all", "lido")
    assert report is not None
    assert report.reason is Reason.DELETED
    assert detector.delete("all", "lido") is None
    assert detector.feed("all", "lido", Sample(Decimal(200), NOON)) is None


def test_a_detector_judges_by_the_shape_of_its_watch() -> None:
    for shape, is_event in (("history", False), ("latest", True)):
        detector = Detector(value_watch(shape=shape))
        detector.feed("all", "lido", Sample(Decimal(100), NOON))
        assert (detector.feed("all", "lido", Sample(Decimal(200), NOON - MINUTE)) is not None) is is_event


def test_a_price_watch_has_its_peg_by_override() -> None:
    detector = Detector(value_watch("price", overrides=[{"token": "usd*", "peg": {}}]))
    for value in ("1", "0.99"):
        reports = [detector.feed("all", token, Sample(Decimal(value), NOON)) for token in ("usdc", "eth")]
    assert [report and report.reason for report in reports] == [Reason.DEPEG, Reason.DEVIATION]


def test_silence_is_counted_not_walked_through() -> None:
    detector = Detector(value_watch(heartbeat=timedelta(seconds=1)))
    detector.feed("all", "lido", Sample(Decimal(100), NOON))
    silence = list(detector.wait(("all", "lido"), NOON + timedelta(days=3650)))
    assert len(silence) == 1
    assert sum(times for _, times in silence) == 3650 * 86_400 - 1
    assert detector.states["all", "lido"].reported_at == NOON + timedelta(days=3650, seconds=-1)


def test_silence_ends_a_cooldown_then_beats() -> None:
    detector = Detector(value_watch(heartbeat=timedelta(minutes=3), cooldown=timedelta(minutes=1)))
    detector.feed("all", "lido", Sample(Decimal(100), NOON))
    detector.feed("all", "lido", Sample(Decimal(110), NOON + MINUTE / 2))
    silence = list(detector.wait(("all", "lido"), NOON + MINUTE * 10))
    reasons = [(judgement.report.reason.value, times) for judgement, times in silence if judgement.report]
    assert reasons == [("deviation", 1), ("heartbeat", 2)]


def test_an_unknown_entity_has_no_silence() -> None:
    assert list(Detector(value_watch()).wait(("all", "lido"), NOON)) == []
