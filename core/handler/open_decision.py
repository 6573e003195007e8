"""A decision in the making: the changes of one entity, one after the other, from what was remembered of it. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from core.detection.due import due_at
from core.detection.gone import delete, deletion_that_stands, leave
from core.detection.judge import judge, tick
from core.detection.sources import is_late
from core.detection.state import EntityState, later
from core.detection.testimony import Testimony
from core.handler.change import Change, why_aside
from core.handler.decision import Decision, Raised
from core.handler.memory import WaitingSample
from core.handler.ordering import is_out_of_order, release
from core.handler.rename import called_otherwise, namesake_gone

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from core.detection.report import Report
    from core.handler.change import RecordPlace
    from core.handler.memory import Memory
    from core.handler.rename import Former
    from core.settings.rules import Rule
    from core.settings.watches import ValueWatch, Watch

_ASIDE = frozenset({"late", "future", "rejected"})
_LANES_KEPT = 32
"""A redelivered sample whose lane is forgotten is late or a duplicate: 32 samples of other items came after it."""


class OpenDecision:
    """Takes an entity's changes; `close` has the decision. `rule` is None for metadata.

    With `reorder` the entity lives so much behind the clock: its samples wait, and time is brought to it as late.
    Samples that wait from before, when the settings had it, are still judged in their order. `former` is who has been
    known by another name until now.
    """

    def __init__(
        self,
        memory: Memory,
        watch: Watch,
        rule: Rule | None,
        *,
        reorder: timedelta,
        now: datetime,
        former: Former | None = None,
    ) -> None:
        self._watch = watch
        self._rule = rule
        self._reorder = reorder
        self._now = now
        self._version = memory.version
        self._state = memory.state
        self._lanes = dict(memory.lanes)
        self._waiting = list(memory.waiting)
        self._held = {one.event_id for one in memory.waiting}
        self._raised = list[Raised]()
        self._notes = Counter[str]()
        self._set_aside: list[tuple[Change, str]] = []
        self._has_changed = False
        self._ticks: list[Change] = []
        self._former = former
        self._left: Memory | None = None

    def take(self, change: Change) -> None:
        """Take the next change, unless it was taken before."""
        if self._is_known(change):
            self._notes["repeated"] += 1
        elif change.of_version not in (None, self._version):
            self._notes["superseded"] += 1
        elif change.what == "metadata":
            if change.former is not None:
                is_taken = self._leave_name(change)
                self._raised.append(
                    called_otherwise(None, change.former, change, change.sample.testimony, is_taken=is_taken)
                )
            if change.fields or change.former is None:
                self._raised.append(Raised(change, None))
            self._note(change.position)
        elif change.what == "sample" and (self._reorder or self._waiting):
            self._hold(change)
        elif self._reorder and change.what == "tick":
            self._ticks.append(change)
        else:
            if change.former is not None and change.what == "sample":
                self._rename(change)
            self._judge(change)

    def take_over(self, change: Change) -> None:
        """Be who was known by an alias, unless the name of today is known itself; `change` is the first one."""
        assert self._former is not None
        known, state = self._former.memory, self._former.memory.state
        if self._state is None and not self._lanes and state is not None:
            self._state, self._lanes, self._waiting = state, dict(known.lanes), list(known.waiting)
            self._held = {one.event_id for one in known.waiting}
            self._raised.append(called_otherwise(state.value, self._former.key, change, state.testimony))
        self._left = self._former.left({})
        self._has_changed = True

    def close(self, watch: str, key: tuple[str, str]) -> Decision:
        """The decision upon all that was taken."""
        released, self._waiting[:] = release(self._waiting, self._now)
        for one in released:
            self._judge(Change(watch, key, "sample", one.event_id, one.sample))
        if released:
            self._has_changed = True
        for change in self._ticks:
            self._pass_time(change)
        return Decision(
            self._state,
            self._lanes,
            tuple(self._waiting),
            self._raised,
            self._due_at(),
            self._notes,
            self._set_aside,
            self._has_changed,
            self._left,
        )

    def _rename(self, change: Change) -> None:
        """Be who had the item's former name. Where nothing is known of it, nor the item usable, nobody was there."""
        assert self._watch.has_value and self._rule is not None and change.former is not None
        is_taken = self._leave_name(change)
        state = None if is_taken or self._former is None else self._former.memory.state
        state = state or _state_before(change, self._rule, self._watch)
        self._note(change.position)
        if state is None:
            return
        if self._state is not None:
            self._raised.append(namesake_gone(self._state, change, self._rule))
        self._state = replace(state, gone_at=None)
        self._raised.append(
            called_otherwise(state.value, change.former, change, change.sample.testimony, is_taken=is_taken)
        )

    def _leave_name(self, change: Change) -> bool:
        """Leave nothing but redeliveries to the former name. Returns whether it is another item's by now."""
        assert change.position is not None
        if self._former is None:
            return False
        if not self._former.is_of(change.position.lane):
            return True
        self._left = self._former.left({change.position.lane: change.position.sequence_number})
        return False

    def _is_known(self, change: Change) -> bool:
        position = change.position
        if position is None:
            return False
        return position.sequence_number <= self._lanes.get(position.lane, -1) or change.event_id in self._held

    def _hold(self, change: Change) -> None:
        """Have a sample wait for earlier ones. What cannot be judged any more does not."""
        assert self._watch.has_value and self._rule is not None
        if why := why_aside(change.sample, self._watch, self._rule):
            self._put_aside(change, why)
        elif self._state is not None and is_late(self._state, change.sample, self._rule):
            self._put_aside(change, "late")
        else:
            # What no record tells of was found in the table, beside all that is there: nothing earlier will come.
            number, due = -1, self._now
            if change.position is not None:
                number, due = change.position.sequence_number, later(self._now, self._reorder)
            self._waiting.append(WaitingSample(change.event_id, number, change.sample, due))
            self._held.add(change.event_id)
            self._note(change.position)

    def _pass_time(self, change: Change) -> None:
        self._has_changed = True
        moment = change.sample.at - self._reorder
        due = None if self._state is None or self._rule is None else due_at(self._state, self._rule)
        if due is not None and due <= moment:
            self._judge(replace(change, sample=replace(change.sample, at=moment)))

    def _judge(self, change: Change) -> None:
        assert self._watch.has_value and self._rule is not None
        before = self._state
        away = _deletion_before(before, change, self._rule)
        if away is not None:
            self._state = None
            self._raised.append(away)
        self._state, report, note = _judged(self._state, change, self._rule, self._watch)
        if report is not None:
            self._raised.append(Raised(change, report))
        if note in _ASIDE:
            self._put_aside(change, note)
        elif note:
            self._notes[note] += 1
        # A row that is set aside, too, may show that the one before has gone, has come back or was there.
        has_moved = note in _ASIDE and self._state is not before
        if note not in (*_ASIDE, "duplicate") or has_moved:
            self._note(change.position)

    def _put_aside(self, change: Change, why: str) -> None:
        position = change.position
        if why == "late" and position is not None and is_out_of_order(self._lanes, position):
            # Remembered, so that it is not counted again with each redelivery.
            self._note(position)
            self._notes["out_of_order"] += 1
            self._set_aside.append((change, "out_of_order"))
        else:
            self._notes[why] += 1
            self._set_aside.append((change, why))

    def _note(self, position: RecordPlace | None) -> None:
        """What was taken changes what is remembered; a record's change is known from now on."""
        self._has_changed = True
        if position is None:
            return
        self._lanes.pop(position.lane, None)
        self._lanes[position.lane] = position.sequence_number
        while len(self._lanes) > _LANES_KEPT:
            del self._lanes[next(iter(self._lanes))]

    def _due_at(self) -> datetime | None:
        moments = [one.due_at for one in self._waiting]
        if self._state is not None and self._rule is not None and (due := due_at(self._state, self._rule)) is not None:
            moments.append(later(due, self._reorder))
        return min(moments, default=None)


def _deletion_before(state: EntityState | None, change: Change, rule: Rule) -> Raised | None:
    """The event of an item that had been gone for too long when the change came."""
    report = None
    if state is not None and change.what != "deleted":
        report = deletion_that_stands(state, change.sample.at, rule)
    if report is None:
        return None
    # What comes now may be an event, too.
    return Raised(replace(change, event_id=f"{change.event_id}.away"), report)


def _judged(
    state: EntityState | None, change: Change, rule: Rule, watch: ValueWatch
) -> tuple[EntityState | None, Report | None, str | None]:
    if change.what == "tick":
        if state is None:
            return None, None, None
        judgement = tick(state, change.sample.at, rule, compare_with=watch.compare_with)
        return judgement.state, judgement.report, judgement.note
    state = state or _state_before(change, rule, watch)
    if change.what == "sample" and (why := why_aside(change.sample, watch, rule)):
        # The item is there, though nothing that it says counts.
        if state is not None and state.gone_at is not None:
            state = replace(state, gone_at=None)
        return state, None, why
    if change.what == "deleted":
        return (None, None, None) if state is None else (*_deleted(state, change, rule), None)
    judgement = judge(state, change.sample, rule, compare_with=watch.compare_with, shape=watch.shape)
    return judgement.state, judgement.report, judgement.note


def _state_before(change: Change, rule: Rule, watch: ValueWatch) -> EntityState | None:
    """An item that was there before is no first sighting, as with triggers on a table that has rows already."""
    before, at = change.before, change.sample.at
    if before is None or why_aside(before, watch, rule):
        return None
    return EntityState(before.value, reported_at=at, sample_at=at, last_value=before.value, testimony=before.testimony)


def _deleted(state: EntityState, change: Change, rule: Rule) -> tuple[EntityState | None, Report | None]:
    # The item that is gone testifies, and none before it: the last one may have been set aside.
    unsaid = replace(
        state,
        testimony=Testimony(state.testimony.changed_at),
        suspect_testimony=Testimony(state.suspect_testimony.changed_at),
    )
    if rule.delete_grace:
        return leave(unsaid, change.sample.at, change.deletedby, said=change.sample.testimony), None
    return None, delete(unsaid, rule, change.sample.testimony, change.deletedby)
