"""The rules from 3 on, one after another: each hands what is no event of its own to the next. Pure."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from core.detection.guard import judge_guard
from core.detection.moves import close_steps, judge_moves
from core.detection.peg import judge_peg, peg_severity
from core.detection.report import Report, amount_text
from core.detection.state import EntityState, Judgement
from core.detection.verdict import verdict
from core.severity import severity, worse
from rtp_client.event import Reason, format_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from decimal import Decimal

    from core.detection.state import CompareWith, Sample, Seen
    from core.settings.rules import Rule

_COOLED = frozenset({Reason.DEVIATION, Reason.HEARTBEAT})


def judge_first(sample: Sample, lag: timedelta, rule: Rule) -> Judgement:
    """Rule 2: take the first value for the baseline."""
    state = EntityState(
        sample.value,
        reported_at=sample.at,
        sample_at=sample.at,
        last_value=sample.value,
        testimony=sample.testimony,
        lag=lag,
    )
    if not rule.emit_first:
        return Judgement(state)
    how_bad = severity(Reason.FIRST_SEEN, None, sample.value, rule.severity)
    return Judgement(state, Report(None, sample.value, Reason.FIRST_SEEN, how_bad, testimony=sample.testimony))


def judge_value(state: EntityState, seen: Seen, rule: Rule, compare_with: CompareWith) -> Judgement:
    """Apply the rules from 3 on."""
    guarded = judge_guard(with_steps_closed(state, seen.at, rule), seen, rule)
    if guarded.note == "quarantined":
        return guarded
    judgement = from_peg_on(guarded.state, seen, rule, compare_with)
    return replace(judgement, note=guarded.note) if guarded.note else judgement


def from_peg_on(state: EntityState, seen: Seen, rule: Rule, compare_with: CompareWith) -> Judgement:
    """Apply rule 4, the peg, and those after it."""
    since, value = state.off_peg_since, seen.value
    if rule.peg is None or value is None or not value.is_finite():
        return _from_moves_on(state, seen, rule, compare_with)
    found = judge_peg(since, state.memory.off_peg, value, seen.at, rule.peg)
    if (found.since, found.off_peg) != (since, state.memory.off_peg):
        state = replace(state, off_peg_since=found.since, memory=replace(state.memory, off_peg=found.off_peg))
    if found.reason is None:
        return _from_moves_on(state, seen, rule, compare_with)
    since = since or seen.at
    details = {"off_since": format_time(since), "lowest": amount_text(found.lowest) or ""}
    seconds = None if found.back_since is None else max(0.0, (found.back_since - since).total_seconds())
    report = Report(state.value, value, found.reason, found.severity, seconds, seen.testimony, details=details)
    return Judgement(_moved(state, seen, value=value, reported_at=seen.at, held=False), report)


def _from_moves_on(state: EntityState, seen: Seen, rule: Rule, compare_with: CompareWith) -> Judgement:
    """Apply rule 5, moves over time, and those after it."""
    value = seen.value
    if not rule.moves or value is None or not value.is_finite():
        return from_step_on(state, seen, rule, compare_with)
    moves, found = judge_moves(state.memory.moves, rule.moves, value, seen.at)
    if moves is not state.memory.moves:
        state = replace(state, memory=replace(state.memory, moves=moves))
    if found is None:
        return from_step_on(state, seen, rule, compare_with)
    over = {"over_seconds": found.move.over.total_seconds()}
    return _reported(state, seen, Reason.MOVED, rule, since=found.begun_at, details=over)


def from_step_on(state: EntityState, seen: Seen, rule: Rule, compare_with: CompareWith) -> Judgement:
    """Apply rules 6 to 8."""
    reason = verdict(state.value, seen.value, rule)
    silence = seen.at - state.reported_at
    if reason is None and rule.heartbeat and silence >= rule.heartbeat:
        reason = Reason.HEARTBEAT
    if reason is None:
        baseline = seen.value if compare_with == "previous_row" else state.value
        return Judgement(_moved(state, seen, value=baseline, reported_at=state.reported_at, held=False))
    if reason in _COOLED and rule.cooldown and silence < rule.cooldown:
        held = _moved(state, seen, value=state.value, reported_at=state.reported_at, held=True)
        return Judgement(held, note="held")
    return _reported(state, seen, reason, rule)


def _reported(
    state: EntityState,
    seen: Seen,
    reason: Reason,
    rule: Rule,
    *,
    since: Decimal | None = None,
    details: Mapping[str, float] = MappingProxyType({}),
) -> Judgement:
    previous = state.value if since is None else since
    how_bad = severity(reason, previous, seen.value, rule.severity)
    is_news = reason is not Reason.HEARTBEAT
    if is_news and rule.peg and state.memory.off_peg and seen.value is not None and seen.value.is_finite():
        # The last step may be small, and the price far from where it should be.
        how_bad = worse(how_bad, peg_severity(seen.value, rule.peg))
    report = Report(previous, seen.value, reason, how_bad, testimony=seen.testimony, details=details)
    return Judgement(_moved(state, seen, value=seen.value, reported_at=seen.at, held=False), report)


def _moved(state: EntityState, seen: Seen, *, value: Decimal | None, reported_at: datetime, held: bool) -> EntityState:
    return replace(
        state,
        value=value,
        reported_at=reported_at,
        sample_at=seen.sample_at,
        last_value=seen.value,
        held=held,
        testimony=seen.testimony,
        lag=seen.lag,
    )


def with_steps_closed(state: EntityState, at: datetime, rule: Rule) -> EntityState:
    """Remember the newest value for the moves over time, where another step has begun."""
    memory = state.memory
    if not rule.moves and not memory.moves:
        return state
    moves = close_steps(memory.moves, rule.moves or (), state.last_value, state.sample_at, at)
    return state if moves is memory.moves else replace(state, memory=replace(memory, moves=moves))
