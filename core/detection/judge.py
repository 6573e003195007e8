"""The rule book of `docs/detection.md`, one sample at a time.

Pure: no I/O and no clock. rtp remembers an entity as an `EntityState`; judging a sample returns the next one. The
triggers apply the plain rules, in SQL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from core.detection.agreement import agreed_value, apart_due, hear, in_details, is_enough, judge_apart, tell_apart
from core.detection.memory import NOTHING, Agreement, RuleMemory
from core.detection.moves import close_steps, judge_moves
from core.detection.peg import judge_peg, peg_severity
from core.detection.report import Report, amount_text
from core.detection.testimony import UNSAID, Testimony
from core.detection.verdict import is_back, is_jump, same, verdict
from core.severity import severity, worse
from rtp_client.event import Reason, Severity, format_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.rules import Rule
    from rtp_client.event import DeletedBy

CompareWith = Literal["last_event", "previous_row"]
Shape = Literal["latest", "history"]
Note = Literal["late", "duplicate", "quarantined", "dismissed", "confirmed", "released", "held"]

_COOLED = frozenset({Reason.DEVIATION, Reason.HEARTBEAT})
NEVER = datetime.max.replace(tzinfo=UTC)
NO_LAG = NO_GRACE = timedelta(0)
_A_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of an entity at a time, and what its row says of itself, which only travels along.

    `seen_at` is when the sample arrived, by the clock that `tick` is told of; None: at its own time. `source` is which
    of an entity's sources says so, empty where the watch knows of none.
    """

    value: Decimal | None
    at: datetime
    testimony: Testimony = UNSAID
    seen_at: datetime | None = None
    source: str = ""

    @property
    def lag(self) -> timedelta:
        """How far the sample's time lies behind its arrival."""
        return NO_LAG if self.seen_at is None else lag_of(self.at, self.seen_at)


@dataclass(frozen=True, slots=True)
class EntityState:
    """What is remembered of an entity.

    `value` is the baseline: what the next value is compared with. `last_value` is the newest one that was judged,
    `suspect_value` the newest one in quarantine; each has its row's testimony. `held` says that a cooldown holds an
    event back. `off_peg_since` is since when a price is off its peg, `memory` what else the rules remember. `lag` is
    the newest sample's: by so much the entity's own clock is behind. `gone_at` is since when the entity's row is gone,
    which is no event until that stands, and `deletedby` is then who deleted it.
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
    testimony: Testimony = UNSAID
    suspect_testimony: Testimony = UNSAID
    lag: timedelta = NO_LAG
    gone_at: datetime | None = None
    deletedby: DeletedBy | None = None
    memory: RuleMemory = NOTHING


@dataclass(frozen=True, slots=True)
class Judgement:
    """The next state, the event if there is one, and a note to count."""

    state: EntityState
    report: Report | None = None
    note: Note | None = None


class _Seen(NamedTuple):
    """A value to judge at a moment of the entity's own clock, and what is known of its newest sample then."""

    value: Decimal | None
    at: datetime
    testimony: Testimony
    sample_at: datetime
    lag: timedelta


def judge(
    state: EntityState | None, sample: Sample, rule: Rule, *, compare_with: CompareWith = "last_event", shape: Shape
) -> Judgement:
    """Judge a sample; `state` is None at the first sighting of its entity.

    An entity that was gone is back. Whether that took too long is asked before (`deletion_that_stands`).
    """
    if rule.agree is not None:
        return _judge_word(state, sample, rule, compare_with)
    lag = sample.lag if shape == "history" else NO_LAG
    if state is None:
        return _first_sighting(sample, lag, rule)
    if shape == "history" and sample.at <= state.sample_at:
        if is_late(state, sample, rule):
            return Judgement(state, note="late")
        if same(sample.value, state.last_value if state.suspect_since is None else state.suspect_value):
            return Judgement(state, note="duplicate")
    if state.gone_at is not None:
        state = replace(state, gone_at=None)
    seen = _Seen(sample.value, sample.at, sample.testimony, sample.at, lag)
    return _judge_seen(state, seen, rule, compare_with)


def tick(state: EntityState, at: datetime, rule: Rule, *, compare_with: CompareWith = "last_event") -> Judgement:
    """Judge what time alone brings about: the end of a quarantine or a cooldown, a heartbeat. Nothing while it is gone.

    Rules reckon in the samples' own time, which is as far behind the clock as the newest sample was when it arrived.
    """
    if state.gone_at is not None:
        return Judgement(state)
    now = at - state.lag
    judgement = _pass_time(state, now, rule, compare_with)
    if rule.agree is None:
        return judgement
    due = None if judgement.report is not None else _apart_due(judgement.state, rule)
    if due is not None and due[0] <= now:
        judgement = _told_apart(judgement, due[1], now)
    return _with_sources(judgement, now, rule)


def _pass_time(state: EntityState, now: datetime, rule: Rule, compare_with: CompareWith) -> Judgement:
    guard = rule.glitch_guard
    if guard and state.suspect_since is not None and now - state.suspect_since >= guard.release_after:
        suspect = _Seen(state.suspect_value, now, state.suspect_testimony, state.sample_at, state.lag)
        believed = _with_steps_closed(_believed(state), now, rule)
        return replace(_judge_peg(believed, suspect, rule, compare_with), note="released")
    newest = _Seen(state.last_value, now, state.testimony, state.sample_at, state.lag)
    if _depeg_due_at(state, rule) is not None:
        return _judge_peg(state, newest, rule, compare_with)
    return _judge_step(state, newest, rule, compare_with)


def due_at(state: EntityState, rule: Rule) -> datetime | None:
    """When time alone may next change the state; None where only a sample can."""
    if state.gone_at is not None:
        return later(state.gone_at, rule.delete_grace or NO_GRACE)
    moments = []
    if rule.glitch_guard and state.suspect_since is not None:
        moments.append(later(state.suspect_since, rule.glitch_guard.release_after))
    if (depeg_at := _depeg_due_at(state, rule)) is not None:
        moments.append(depeg_at)
    if (apart := _apart_due(state, rule)) is not None:
        moments.append(apart[0])
    is_unknown = rule.agree is not None and state.value is None
    if state.held or (rule.heartbeat and not is_unknown):
        pauses = [pause for pause in (rule.cooldown, None if state.held else rule.heartbeat) if pause]
        moments.append(max((later(state.reported_at, pause) for pause in pauses), default=state.reported_at))
    return later(min(moments), state.lag) if moments else None


def is_late(state: EntityState, sample: Sample, rule: Rule) -> bool:
    """Rule 1: whether a history's sample is older than the newest one, of its source where sources must agree."""
    if rule.agree is None:
        return sample.at < state.sample_at
    said = {} if state.memory.agreement is None else state.memory.agreement.said
    return sample.source in said and sample.at < said[sample.source].at


def lag_of(at: datetime, seen_at: datetime) -> timedelta:
    """How far a time lies behind an arrival, in whole seconds: nobody looks at the clock more often."""
    behind = seen_at - at
    return NO_LAG if behind < _A_SECOND else timedelta(behind.days, behind.seconds)


def later(moment: datetime, pause: timedelta) -> datetime:
    """A moment and a pause after it; `NEVER` where that is beyond all years."""
    try:
        return moment + pause
    except OverflowError:
        return NEVER


def leave(
    state: EntityState, at: datetime, deletedby: DeletedBy | None = None, *, said: Testimony = UNSAID
) -> EntityState:
    """The state of an entity whose row is gone, and may come back; `said` is that row's own word of itself."""
    if state.gone_at is not None:
        return state
    word = said._replace(changed_at=None)
    return replace(
        state,
        gone_at=at,
        deletedby=deletedby,
        testimony=word.or_else(state.testimony),
        suspect_testimony=UNSAID if state.suspect_since is None else word.or_else(state.suspect_testimony),
    )


def deletion_that_stands(state: EntityState, at: datetime, rule: Rule) -> Report | None:
    """The event of an entity whose row has been gone for too long; the caller forgets its state."""
    if state.gone_at is None or at < later(state.gone_at, rule.delete_grace or NO_GRACE):
        return None
    return delete(state, rule, Testimony(state.gone_at), state.deletedby)


def delete(state: EntityState, rule: Rule, testimony: Testimony = UNSAID, deletedby: DeletedBy | None = None) -> Report:
    """The event of an entity that is gone; the caller forgets its state.

    The removed row testifies, else the newest one that was seen; `changed_at` is the deletion's.
    """
    how_bad = severity(Reason.DELETED, state.value, None, rule.severity)
    newest = state.testimony if state.suspect_since is None else state.suspect_testimony
    return Report(state.value, None, Reason.DELETED, how_bad, testimony=testimony.or_else(newest), deletedby=deletedby)


def _first_sighting(sample: Sample, lag: timedelta, rule: Rule) -> Judgement:
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


def _judge_word(state: EntityState | None, sample: Sample, rule: Rule, compare_with: CompareWith) -> Judgement:
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
    state = replace(state, memory=replace(state.memory, agreement=known))
    is_first = state.value is None
    value = agreed_value(known, at, rule.peg.value if is_first and rule.peg else state.value, agree)
    if value is None:
        return Judgement(replace(state, sample_at=at, lag=lag))
    if is_first:
        first = _first_sighting(Sample(value, at, sample.testimony), lag, rule)
        judgement = replace(first, state=replace(first.state, memory=state.memory))
    else:
        judgement = _judge_seen(state, _Seen(value, at, sample.testimony, at, lag), rule, compare_with)
    return _with_sources(_judge_apart(judgement, at, rule), at, rule)


def _judge_apart(judgement: Judgement, at: datetime, rule: Rule) -> Judgement:
    """Judge whether the sources disagree. A sample is one event at most: this one waits, where there is another."""
    state = judgement.state
    known = state.memory.agreement
    if known is None:
        return judgement
    found, reason = judge_apart(known, at, rule)
    if found != known:
        judgement = replace(judgement, state=replace(state, memory=replace(state.memory, agreement=found)))
    return judgement if reason is None or judgement.report is not None else _told_apart(judgement, reason, at)


def _told_apart(judgement: Judgement, reason: Reason, at: datetime) -> Judgement:
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


def _with_sources(judgement: Judgement, at: datetime, rule: Rule) -> Judgement:
    """Have the event tell who said what."""
    report, known = judgement.report, judgement.state.memory.agreement
    if report is None or known is None or rule.agree is None:
        return judgement
    return replace(judgement, report=replace(report, details={**report.details, **in_details(known, at, rule.agree)}))


def _apart_due(state: EntityState, rule: Rule) -> tuple[datetime, Reason] | None:
    known = state.memory.agreement
    return None if known is None else apart_due(known, state.sample_at, rule)


def _judge_seen(state: EntityState, seen: _Seen, rule: Rule, compare_with: CompareWith) -> Judgement:
    """Apply the rules from 3 on."""
    guarded = _guard(state, seen, rule)
    if guarded.note == "quarantined":
        return guarded
    judgement = _judge_peg(_with_steps_closed(guarded.state, seen.at, rule), seen, rule, compare_with)
    return replace(judgement, note=guarded.note) if guarded.note else judgement


def _guard(state: EntityState, seen: _Seen, rule: Rule) -> Judgement:
    """Apply rule 3, the glitch guard."""
    guard, since = rule.glitch_guard, state.suspect_since
    if guard is None or not is_jump(state.value, seen.value, guard):
        return Judgement(state) if since is None else Judgement(_cleared(state), note="dismissed")
    if is_back(state.memory.before_jump, seen.value, guard):
        state = replace(state, memory=replace(state.memory, before_jump=None))
        return Judgement(state) if since is None else Judgement(_cleared(state), note="dismissed")
    count = state.suspect_count + 1 if since is not None and _are_on_one_side(state, seen.value) else 0
    if count >= guard.confirmations or (since is not None and seen.at - since >= guard.release_after):
        return Judgement(_believed(state), note="confirmed")
    suspected = replace(
        state,
        suspect_value=seen.value,
        suspect_since=since or seen.at,
        suspect_count=count,
        suspect_testimony=seen.testimony,
        sample_at=seen.sample_at,
        lag=seen.lag,
    )
    return Judgement(suspected, note="quarantined")


def _are_on_one_side(state: EntityState, value: Decimal | None) -> bool:
    """Whether a jump says the same as the one in quarantine: a spike does not make a drop to nothing true."""
    value_is_more, suspect_is_more = (
        one is not None and state.value is not None and one.copy_abs() > state.value.copy_abs()
        for one in (value, state.suspect_value)
    )
    return value_is_more == suspect_is_more


def _cleared(state: EntityState) -> EntityState:
    return replace(state, suspect_value=None, suspect_since=None, suspect_count=0, suspect_testimony=UNSAID)


def _believed(state: EntityState) -> EntityState:
    """What was in quarantine is true: a value that leads back to the one before is no glitch either."""
    return replace(_cleared(state), memory=replace(state.memory, before_jump=state.value))


def _judge_peg(state: EntityState, seen: _Seen, rule: Rule, compare_with: CompareWith) -> Judgement:
    """Apply rule 4, the peg, and those after it."""
    since, value = state.off_peg_since, seen.value
    if rule.peg is None or value is None or not value.is_finite():
        return _judge_moves(state, seen, rule, compare_with)
    found = judge_peg(since, state.memory.off_peg, value, seen.at, rule.peg)
    if (found.since, found.off_peg) != (since, state.memory.off_peg):
        state = replace(state, off_peg_since=found.since, memory=replace(state.memory, off_peg=found.off_peg))
    if found.reason is None:
        return _judge_moves(state, seen, rule, compare_with)
    since = since or seen.at
    details = {"off_since": format_time(since), "lowest": amount_text(found.lowest) or ""}
    seconds = max(0.0, (seen.at - since).total_seconds()) if found.reason is Reason.REPEG else None
    report = Report(state.value, value, found.reason, found.severity, seconds, seen.testimony, details=details)
    return Judgement(_moved(state, seen, value=value, reported_at=seen.at, held=False), report)


def _depeg_due_at(state: EntityState, rule: Rule) -> datetime | None:
    """When a price that is off its peg has been so for long enough to be reported; None where it was, or is on it.

    A newest value that is no number cannot tell whether it is still off: then the next number decides.
    """
    off_peg = state.memory.off_peg
    if rule.peg is None or state.off_peg_since is None or off_peg is None or off_peg.told is not None:
        return None
    if state.last_value is None or not state.last_value.is_finite():
        return None
    moment = later(state.off_peg_since, rule.peg.off_for or NO_LAG)
    known = state.memory.agreement
    # Sources that are silent by then do not say that it is still off: the next word of them decides.
    if rule.agree is not None and known is not None and not is_enough(known, max(moment, state.sample_at), rule.agree):
        return None
    return moment


def _with_steps_closed(state: EntityState, at: datetime, rule: Rule) -> EntityState:
    """Remember the newest value for the moves over time, where another step has begun."""
    memory = state.memory
    if not rule.moves and not memory.moves:
        return state
    moves = close_steps(memory.moves, rule.moves or (), state.last_value, state.sample_at, at)
    return state if moves is memory.moves else replace(state, memory=replace(memory, moves=moves))


def _judge_moves(state: EntityState, seen: _Seen, rule: Rule, compare_with: CompareWith) -> Judgement:
    """Apply rule 5, moves over time, and those after it."""
    value = seen.value
    if not rule.moves or value is None or not value.is_finite():
        return _judge_step(state, seen, rule, compare_with)
    moves, found = judge_moves(state.memory.moves, rule.moves, value, seen.at)
    if moves is not state.memory.moves:
        state = replace(state, memory=replace(state.memory, moves=moves))
    if found is None:
        return _judge_step(state, seen, rule, compare_with)
    over = {"over_seconds": found.move.over.total_seconds()}
    return _reported(state, seen, Reason.MOVED, rule, since=found.begun_at, details=over)


def _judge_step(state: EntityState, seen: _Seen, rule: Rule, compare_with: CompareWith) -> Judgement:
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
    seen: _Seen,
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


def _moved(state: EntityState, seen: _Seen, *, value: Decimal | None, reported_at: datetime, held: bool) -> EntityState:
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
