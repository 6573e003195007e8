"""An entity of several sources: what they agree on is judged as its value, and that they disagree. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.detection.agreement import agreed_value, hear, in_details, judge_apart, tell_apart
from core.detection.in_order import judge_first, judge_value, with_steps_closed
from core.detection.memory import Agreement
from core.detection.report import Report
from core.detection.state import EntityState, Judgement, Sample, Seen
from rtp_client.event import Reason, Severity

if TYPE_CHECKING:
    from datetime import datetime

    from core.detection.state import CompareWith
    from core.settings.rules import Rule


def judge_word(state: EntityState | None, sample: Sample, rule: Rule, compare_with: CompareWith) -> Judgement:
    """Judge what the sources agree on, once one of them has said something; it is late by that source's time alone.

    The value of an entity is null until enough of them have agreed for the first time, which is its first sighting.
    """
    agree = rule.agree
    assert agree is not None
    before = Agreement({}) if state is None or state.memory.agreement is None else state.memory.agreement
    if state is not None and is_late(state, sample, rule):
        return Judgement(state, note="late")
    known = hear(before, sample.source, sample.value, sample.at)
    if state is not None and known == before:
        return Judgement(state, note="duplicate")
    if state is None:
        state = EntityState(None, sample.at, sample.at, None, testimony=sample.testimony, lag=sample.lag)
    is_newest = sample.at >= state.sample_at
    at, lag = (sample.at, sample.lag) if is_newest else (state.sample_at, state.lag)
    state = with_steps_closed(replace(state, memory=replace(state.memory, agreement=known)), at, rule)
    is_first = state.value is None
    value = agreed_value(known, at, rule.peg.value if is_first and rule.peg else state.value, agree)
    if value is None:
        return Judgement(replace(state, sample_at=at, lag=lag))
    if is_first:
        first = judge_first(Sample(value, at, sample.testimony), lag, rule)
        judgement = replace(first, state=replace(first.state, memory=state.memory))
    else:
        judgement = judge_value(state, Seen(value, at, sample.testimony, at, lag), rule, compare_with)
    return with_sources(_judge_apart(judgement, at, rule), at, rule)


def is_late(state: EntityState, sample: Sample, rule: Rule) -> bool:
    """Rule 1: whether a history's sample is older than the newest one, of its source where sources must agree."""
    if rule.agree is None:
        return sample.at < state.sample_at
    said = {} if state.memory.agreement is None else state.memory.agreement.said
    return sample.source in said and sample.at < said[sample.source].at


def told_apart(judgement: Judgement, reason: Reason, at: datetime) -> Judgement:
    """Tell of a disagreement, or of its end: neither moves the baseline."""
    state = judgement.state
    known = state.memory.agreement
    assert known is not None
    seconds = None
    if reason is Reason.AGREED and known.apart is not None:
        seconds = max(0.0, (at - known.apart.since).total_seconds())
    report = Report(state.value, state.last_value, reason, Severity.WARNING, seconds, state.testimony)
    memory = replace(state.memory, agreement=tell_apart(known, reason))
    return replace(judgement, state=replace(state, memory=memory), report=report)


def with_sources(judgement: Judgement, at: datetime, rule: Rule) -> Judgement:
    """Have the event tell who said what."""
    report, known = judgement.report, judgement.state.memory.agreement
    if report is None or known is None or rule.agree is None:
        return judgement
    return replace(judgement, report=replace(report, details={**report.details, **in_details(known, at, rule.agree)}))


def _judge_apart(judgement: Judgement, at: datetime, rule: Rule) -> Judgement:
    """Judge whether the sources disagree. A sample is one event at most: this one waits, where there is another."""
    state = judgement.state
    known = state.memory.agreement
    if known is None:
        return judgement
    found, reason = judge_apart(known, at, rule)
    if found != known:
        judgement = replace(judgement, state=replace(state, memory=replace(state.memory, agreement=found)))
    return judgement if reason is None or judgement.report is not None else told_apart(judgement, reason, at)
