"""The rule book of `docs/detection.md`, one sample at a time.

Pure: no I/O and no clock. rtp remembers an entity as an `EntityState`; judging a sample returns the next one. The
triggers apply the plain rules, in SQL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from core.detection.report import Report
from core.detection.verdict import is_jump, is_off_peg, same, verdict
from core.severity import severity
from rtp_client.event import Reason

if TYPE_CHECKING:
    from datetime import timedelta

    from core.settings.rules import Rule

CompareWith = Literal["last_event", "previous_row"]
Shape = Literal["latest", "history"]
Note = Literal["late", "duplicate", "quarantined", "dismissed", "confirmed", "released", "held"]

_COOLED = frozenset({Reason.DEVIATION, Reason.HEARTBEAT})
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of an entity at a time; `confidence` and `provenance` only travel along."""

    value: Decimal | None
    at: datetime
    confidence: float | None = None
    provenance: str | None = None


@dataclass(frozen=True, slots=True)
class EntityState:
    """What is remembered of an entity.

    `value` is the baseline: what the next value is compared with. `last_value` is the newest one that was judged,
    `suspect_value` the newest one in quarantine. `held` says that a cooldown holds an event back.
    """

    value: Decimal | None
    reported_at: datetime
    sample_at: datetime
    last_value: Decimal | None
    suspect_value: Decimal | None = None
    suspect_since: datetime | None = None
    suspect_count: int = 0
    off_peg_since: datetime | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """The next state, the event if there is one, and a note to count."""

    state: EntityState
    report: Report | None = None
    note: Note | None = None


def judge(
    state: EntityState | None, sample: Sample, rule: Rule, *, compare_with: CompareWith = "last_event", shape: Shape
) -> Judgement:
    """Judge a sample; `state` is None at the first sighting of its entity."""
    if state is None:
        return _first_sighting(sample, rule)
    if shape == "history" and sample.at <= state.sample_at:
        if sample.at < state.sample_at:
            return Judgement(state, note="late")
        if same(sample.value, state.last_value if state.suspect_since is None else state.suspect_value):
            return Judgement(state, note="duplicate")
    state = replace(state, sample_at=sample.at)
    guarded = _guard(state, sample, rule)
    if guarded.note == "quarantined":
        return guarded
    judgement = _judge_peg(guarded.state, sample.value, sample.at, rule, compare_with)
    return replace(judgement, note=guarded.note) if guarded.note else judgement


def tick(state: EntityState, at: datetime, rule: Rule, *, compare_with: CompareWith = "last_event") -> Judgement:
    """Judge what time alone brings about: the end of a quarantine or a cooldown, a heartbeat."""
    guard = rule.glitch_guard
    if guard and state.suspect_since is not None and at - state.suspect_since >= guard.release_after:
        released = _judge_peg(_cleared(state), state.suspect_value, at, rule, compare_with)
        return replace(released, note="released")
    return _judge_step(state, state.last_value, at, rule, compare_with)


def due_at(state: EntityState, rule: Rule) -> datetime | None:
    """When `tick` is next due; None where only a sample can change the state."""
    moments = []
    if rule.glitch_guard and state.suspect_since is not None:
        moments.append(later(state.suspect_since, rule.glitch_guard.release_after))
    if state.held or rule.heartbeat:
        pauses = [pause for pause in (rule.cooldown, None if state.held else rule.heartbeat) if pause]
        moments.append(max((later(state.reported_at, pause) for pause in pauses), default=state.reported_at))
    return min(moments, default=None)


def later(moment: datetime, pause: timedelta) -> datetime:
    """A moment and a pause after it; `NEVER` where that is beyond all years."""
    try:
        return moment + pause
    except OverflowError:
        return NEVER


def delete(state: EntityState, rule: Rule) -> Report:
    """The event of an entity that is gone; the caller forgets its state."""
    return Report(state.value, None, Reason.DELETED, severity(Reason.DELETED, state.value, None, rule.severity))


def _first_sighting(sample: Sample, rule: Rule) -> Judgement:
    state = EntityState(sample.value, reported_at=sample.at, sample_at=sample.at, last_value=sample.value)
    if not rule.emit_first:
        return Judgement(state)
    how_bad = severity(Reason.FIRST_SEEN, None, sample.value, rule.severity)
    return Judgement(state, Report(None, sample.value, Reason.FIRST_SEEN, how_bad))


def _guard(state: EntityState, sample: Sample, rule: Rule) -> Judgement:
    """Apply rule 3, the glitch guard."""
    guard, since = rule.glitch_guard, state.suspect_since
    if guard is None or not is_jump(state.value, sample.value, guard):
        return Judgement(state) if since is None else Judgement(_cleared(state), note="dismissed")
    count = 0 if since is None else state.suspect_count + 1
    if count >= guard.confirmations or (since is not None and sample.at - since >= guard.release_after):
        return Judgement(_cleared(state), note="confirmed")
    suspected = replace(state, suspect_value=sample.value, suspect_since=since or sample.at, suspect_count=count)
    return Judgement(suspected, note="quarantined")


def _cleared(state: EntityState) -> EntityState:
    return replace(state, suspect_value=None, suspect_since=None, suspect_count=0)


def _judge_peg(
    state: EntityState, value: Decimal | None, at: datetime, rule: Rule, compare_with: CompareWith
) -> Judgement:
    """Apply rule 4, the peg, and those after it."""
    is_off = None if rule.peg is None else is_off_peg(value, rule.peg)
    since = state.off_peg_since
    if is_off is None or is_off == (since is not None):
        return _judge_step(state, value, at, rule, compare_with)
    if since is None:
        return _reported(replace(state, off_peg_since=at), value, at, Reason.DEPEG, rule)
    seconds = max(0.0, (at - since).total_seconds())
    return _reported(replace(state, off_peg_since=None), value, at, Reason.REPEG, rule, seconds)


def _judge_step(
    state: EntityState, value: Decimal | None, at: datetime, rule: Rule, compare_with: CompareWith
) -> Judgement:
    """Apply rules 5 to 7."""
    reason = verdict(state.value, value, rule)
    silence = at - state.reported_at
    if reason is None and rule.heartbeat and silence >= rule.heartbeat:
        reason = Reason.HEARTBEAT
    if reason is None:
        baseline = value if compare_with == "previous_row" else state.value
        return Judgement(replace(state, value=baseline, last_value=value, held=False))
    if reason in _COOLED and rule.cooldown and silence < rule.cooldown:
        return Judgement(replace(state, last_value=value, held=True), note="held")
    return _reported(state, value, at, reason, rule)


def _reported(
    state: EntityState, value: Decimal | None, at: datetime, reason: Reason, rule: Rule, seconds: float | None = None
) -> Judgement:
    report = Report(state.value, value, reason, severity(reason, state.value, value, rule.severity), seconds)
    return Judgement(replace(state, value=value, reported_at=at, last_value=value, held=False), report)
