"""The one thing that is true of an entity's newest value: it was reported, is held back, waits, or is no event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from core.detection.aside import is_rejected
from core.detection.due import due_at
from core.detection.judge import judge
from core.detection.state import Sample, later
from core.detection.verdict import same, verdict
from rtp_client.event import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from core.detection.state import EntityState, Note
    from core.inspection.explanation import JudgedValue, PastEvent, SetAsideRow
    from core.settings.rules import Rule

Outcome = Literal[
    "unknown", "renamed", "unagreed", "waiting", "unjudged", "set_aside", "refused", "going", "gone",
    "due", "quarantined", "held", "reported", "unchanged", "not_reported",
]  # fmt: skip


_OUTCOMES: Mapping[str, Outcome] = {"future": "set_aside", "rejected": "refused"}


@dataclass(frozen=True)
class Conclusion:
    """What became of an entity's newest value, and the moment of that by the server's clock.

    `renamed`: the entity is `called` otherwise since `at`. `unagreed`: so far too few of its sources have said
    something at once. `waiting`: something waits for rtp run. `going`: the row is gone, which is an event at `at`
    unless it comes back. `unjudged`: the table holds what nobody has judged so far by the rules of now; `reason`
    and `note` say what comes of it at the next write. `set_aside`: its own time is too far ahead, as was noted at
    `at`; `refused`: the settings reject such a value, as may have been noted at `at`. `due`: time has brought about
    what rtp run has yet to judge, since `at`. `quarantined`, `held`: until `at`. `unchanged`: the same since `at`,
    when it was first seen or last reported, and no event of it is left in the log. Else `reason` is that of the
    event that was, or would be.
    """

    outcome: Outcome
    reason: Reason | None = None
    at: datetime | None = None
    note: Note | None = None
    called: str | None = None


class Unjudged(NamedTuple):
    """How many of an entity's samples wait, whether rtp run is to look at its table again; as of a moment."""

    samples: int
    is_look: bool
    now: datetime


def conclude(
    state: EntityState | None,
    judged: JudgedValue,
    rule: Rule,
    pending: Unjudged,
    events: Sequence[PastEvent],
    set_aside: Sequence[SetAsideRow] = (),
) -> Conclusion:
    """Put together what is remembered, what waits, what the table holds, and events and what was set aside.

    Of the last two the newest come first.
    """
    if pending.samples:
        return Conclusion("waiting")
    ahead = _ahead(judged, set_aside) or _refused(judged, rule)
    if state is None:
        return ahead or _unremembered(events)
    if state.gone_at is not None:
        return Conclusion("going", Reason.DELETED, due_at(state, rule))
    if judged.is_row_gone or not _is_judged(state, judged, rule):
        if pending.is_look:
            return Conclusion("waiting")
        return ahead or _of_the_next_write(state, judged, rule, pending.now)
    return _held_back(state, judged, rule, pending.now) or _settled(state, judged, events)


def _unremembered(events: Sequence[PastEvent]) -> Conclusion:
    if events and events[0].reason == Reason.DELETED:
        return Conclusion("gone", Reason.DELETED, events[0].detected_at)
    return Conclusion("unknown")


def _ahead(judged: JudgedValue, set_aside: Sequence[SetAsideRow]) -> Conclusion | None:
    """Where the table's row, or all that a history has, was set aside."""
    newest = None if judged.is_row_gone else next((row for row in set_aside if row.why in _OUTCOMES), None)
    is_of_now = newest is not None and (judged.shape == "history" or same(newest.value, judged.current))
    return Conclusion(_OUTCOMES[newest.why], at=newest.noted_at) if newest is not None and is_of_now else None


def _refused(judged: JudgedValue, rule: Rule) -> Conclusion | None:
    """Where nobody has noted that, as of a stream, or since the settings have come to refuse what the row holds."""
    return Conclusion("refused") if not judged.is_row_gone and is_rejected(judged.current, rule) else None


def _held_back(state: EntityState, judged: JudgedValue, rule: Rule, now: datetime) -> Conclusion | None:
    if rule.agree is not None and state.value is None:
        return Conclusion("unagreed")
    due = due_at(state, rule) if judged.is_sampled else None
    if due is not None and due <= now:
        return Conclusion("due", at=due)
    if state.suspect_since is not None:
        pause = rule.glitch_guard and rule.glitch_guard.release_after + state.lag
        return Conclusion("quarantined", at=later(state.suspect_since, pause) if pause else None)
    if state.held:
        return Conclusion("held", verdict(state.value, judged.current, rule) or Reason.HEARTBEAT, due)
    return None


def _settled(state: EntityState, judged: JudgedValue, events: Sequence[PastEvent]) -> Conclusion:
    newest = events[0] if events else None
    if newest is not None and newest.reason != Reason.DELETED and same(newest.current, judged.current):
        return Conclusion("reported", newest.reason, newest.detected_at)
    if same(state.value, judged.current):
        return Conclusion("unchanged", at=later(state.reported_at, state.lag))
    return Conclusion("not_reported")


def _is_judged(state: EntityState, judged: JudgedValue, rule: Rule) -> bool:
    if judged.current_from != "table":
        return True
    if not judged.is_sampled:  # what is within the band leaves no trace
        return verdict(state.value, judged.current, rule) is None
    return same(state.last_value if state.suspect_since is None else state.suspect_value, judged.current)


def _of_the_next_write(state: EntityState, judged: JudgedValue, rule: Rule, now: datetime) -> Conclusion:
    if judged.is_row_gone:
        return Conclusion("unjudged", Reason.DELETED)
    sample = Sample(judged.current, now)
    judgement = judge(state, sample, rule, compare_with=judged.compare_with, shape="latest")
    reason = judgement.report.reason if judgement.report is not None else None
    return Conclusion("unjudged", reason, note=judgement.note)
