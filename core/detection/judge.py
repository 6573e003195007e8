"""The rule book of `docs/reference/detection.md`, one sample at a time.

Pure: no I/O and no clock. rtp remembers an entity as an `EntityState`; judging a sample returns the next one. The
triggers apply the plain rules, in SQL.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.detection.due import disagreement_due, due_at, peg_due_at
from core.detection.guard import believed
from core.detection.in_order import from_peg_on, from_step_on, judge_first, judge_value, with_steps_closed
from core.detection.sources import is_late, judge_word, told_apart, with_sources
from core.detection.state import NO_LAG, Judgement, Seen
from core.detection.verdict import same

if TYPE_CHECKING:
    from datetime import datetime

    from core.detection.state import CompareWith, EntityState, Sample, Shape
    from core.settings.rules import Rule


def judge(
    state: EntityState | None, sample: Sample, rule: Rule, *, compare_with: CompareWith = "last_event", shape: Shape
) -> Judgement:
    """Judge a sample; `state` is None at the first sighting of its entity.

    An entity that was gone is back. Whether that took too long is asked before (`deletion_that_stands`).
    """
    if rule.agree is not None:
        return judge_word(state, sample, rule, compare_with)
    lag = sample.lag if shape == "history" else NO_LAG
    if state is None:
        return judge_first(sample, lag, rule)
    if shape == "history" and sample.at <= state.sample_at:
        if is_late(state, sample, rule):
            return Judgement(state, note="late")
        if same(sample.value, state.last_value if state.suspect_since is None else state.suspect_value):
            return Judgement(state, note="duplicate")
    if state.gone_at is not None:
        state = replace(state, gone_at=None)
    seen = Seen(sample.value, sample.at, sample.testimony, sample.at, lag)
    return judge_value(state, seen, rule, compare_with)


def tick(state: EntityState, at: datetime, rule: Rule, *, compare_with: CompareWith = "last_event") -> Judgement:
    """Judge what time alone brings about: the end of a quarantine or a cooldown, a heartbeat. Nothing while it is gone.

    Rules reckon in the samples' own time, which is as far behind the clock as the newest sample was when it arrived.
    """
    if state.gone_at is not None or (rule.agree is not None and not _is_due(state, at, rule)):
        return Judgement(state)
    now = at - state.lag
    judgement = _pass_time(state, now, rule, compare_with)
    if rule.agree is None:
        return judgement
    due = None if judgement.report is not None else disagreement_due(judgement.state, rule)
    if due is not None and due[0] <= now:
        judgement = told_apart(judgement, due[1], now)
    return with_sources(judgement, now, rule)


def _is_due(state: EntityState, at: datetime, rule: Rule) -> bool:
    due = due_at(state, rule)
    return due is not None and due <= at


def _pass_time(state: EntityState, now: datetime, rule: Rule, compare_with: CompareWith) -> Judgement:
    guard = rule.glitch_guard
    if guard and state.suspect_since is not None and now - state.suspect_since >= guard.release_after:
        suspect = Seen(state.suspect_value, now, state.suspect_testimony, state.sample_at, state.lag)
        begun = with_steps_closed(believed(state, rule), now, rule)
        return replace(from_peg_on(begun, suspect, rule, compare_with), note="released")
    newest = Seen(state.last_value, now, state.testimony, state.sample_at, state.lag)
    if (due := peg_due_at(state, rule)) is not None and due <= now:
        return from_peg_on(state, newest, rule, compare_with)
    return from_step_on(state, newest, rule, compare_with)
