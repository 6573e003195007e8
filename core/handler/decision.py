"""Deciding upon an entity's changes: its next memory, and which changes are events. Pure."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.detection.detector import Detector
from core.detection.future import is_ahead
from core.detection.judge import EntityState, delete, deletion_that_stands, due_at, judge, leave, tick
from core.detection.report import amount_text
from core.log.rows import LogRow
from rtp_client.event import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from core.detection.detector import Key
    from core.detection.judge import Sample
    from core.detection.report import Report
    from core.handler.change import Change, Position
    from core.handler.memory import Memory
    from core.settings.rules import Rule
    from core.settings.watches import ValueWatch, Watch
    from rtp_client.event import DeletedBy

_LANES_KEPT = 32
"""A redelivered sample whose lane is forgotten is late or a duplicate: 32 samples of other items came after it."""


@dataclass(frozen=True)
class Raised:
    """A change that is an event. `report` is None for metadata."""

    change: Change
    report: Report | None

    @property
    def deletedby(self) -> DeletedBy | None:
        """Who deleted the item that is gone, where no writer did."""
        return self.change.deletedby if self.report is None else self.report.deletedby


@dataclass(frozen=True)
class Decision:
    """What came of an entity's changes.

    `notes` counts the changes that were no event, by reason; those that moved nothing are `set_aside`, each with why.
    """

    state: EntityState | None
    lanes: Mapping[str, int]
    raised: Sequence[Raised]
    due_at: datetime | None
    notes: Counter[str]
    set_aside: Sequence[tuple[Change, str]]
    has_changed: bool


class Decider:
    """Applies the watches' rules. Keeps no entity's state, only its rule."""

    def __init__(self, watches: Mapping[str, Watch]) -> None:
        self._watches = watches
        self._detectors = {name: Detector(watch) for name, watch in watches.items() if watch.has_value}

    def decide(self, memory: Memory, changes: Iterable[Change]) -> Decision:
        """Judge one entity's changes, in order. Changes that were judged before are passed over."""
        state, lanes, has_changed = memory.state, dict(memory.lanes), False
        raised, notes = list[Raised](), Counter[str]()
        set_aside: list[tuple[Change, str]] = []
        rule: Rule | None = None
        for change in changes:
            if change.position is not None and change.position.sequence_number <= lanes.get(change.position.lane, -1):
                notes["repeated"] += 1
                continue
            if change.of_version not in (None, memory.version):
                notes["superseded"] += 1
                continue
            if change.what == "metadata":
                raised.append(Raised(change, None))
            else:
                detector, watch = self._detectors[change.watch], self._watches[change.watch]
                assert watch.has_value
                rule = detector.rule(change.key)
                away = _deletion_before(state, change, rule)
                if away is not None:
                    state = None
                    raised.append(away)
                before = state
                state, report, note = _judged(state, change, rule, watch)
                if report is not None:
                    raised.append(Raised(change, report))
                if note is not None:
                    notes[note] += 1
                if note in ("late", "future"):
                    set_aside.append((change, note))
                has_come_back = note == "future" and state is not before
                if note in ("late", "future", "duplicate") and not has_come_back:
                    continue
            has_changed = True
            _note_position(lanes, change.position)
        next_due = due_at(state, rule) if state is not None and rule is not None else None
        return Decision(state, lanes, raised, next_due, notes, set_aside, has_changed)

    def row(self, raised: Raised, *, sequence: int, detected_at: datetime) -> LogRow:
        """The event's row."""
        change, report = raised.change, raised.report
        watch = self._watches[change.watch]
        testimony = change.sample.testimony if report is None else report.testimony
        changed_at, confidence, provenance = testimony.told(change.sample.at, watch)
        return LogRow(
            id=sequence,
            xid="",
            watch=change.watch,
            kind=watch.kind,
            chain=change.key[0],
            entity=change.key[1],
            previous=None if report is None else amount_text(report.previous),
            current=None if report is None else amount_text(report.current),
            change=None if report is None else report.change,
            change_pct=None if report is None else report.change_pct,
            fields=None if change.fields is None else json.dumps(change.fields),
            reason=str(change.reason if report is None else report.reason),
            severity=str(Severity.INFO if report is None else report.severity),
            confidence=confidence,
            provenance=provenance,
            changed_at=changed_at,
            detected_at=detected_at,
            duration_seconds=None if report is None else report.duration_seconds,
        )


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
    if change.what == "sample" and _is_ahead(change.sample, watch):
        # The item is there, though nothing that it says counts.
        if state is not None and state.gone_at is not None:
            state = replace(state, gone_at=None)
        return state, None, "future"
    if state is None and change.before is not None and not _is_ahead(change.before, watch):
        # An item that was there before is no first sighting, as with triggers on a table that has rows already.
        before, at = change.before, change.sample.at
        state = EntityState(
            before.value, reported_at=at, sample_at=at, last_value=before.value, testimony=before.testimony
        )
    if change.what == "deleted":
        if state is not None and rule.delete_grace:
            return leave(state, change.sample.at, change.deletedby), None, None
        report = None if state is None else delete(state, rule, change.sample.testimony, change.deletedby)
        return None, report, None
    judgement = judge(state, change.sample, rule, compare_with=watch.compare_with, shape=watch.shape)
    return judgement.state, judgement.report, judgement.note


def _is_ahead(sample: Sample, watch: ValueWatch) -> bool:
    own_time, arrived_at = sample.testimony.changed_at or sample.at, sample.seen_at or sample.at
    return is_ahead(own_time, arrived_at, watch.future_limit)


def _note_position(lanes: dict[str, int], position: Position | None) -> None:
    if position is None:
        return
    lanes.pop(position.lane, None)
    lanes[position.lane] = position.sequence_number
    while len(lanes) > _LANES_KEPT:
        del lanes[next(iter(lanes))]


def entities(changes: Iterable[Change]) -> dict[tuple[str, Key], list[Change]]:
    """Changes by watch and entity, in order."""
    found: dict[tuple[str, Key], list[Change]] = {}
    for change in changes:
        found.setdefault((change.watch, change.key), []).append(change)
    return found
