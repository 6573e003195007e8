"""What comes of samples, and of the passing of time: events, notes and moved entities. Pure: no I/O and no clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from core.detection.aside import is_ahead, is_rejected
from core.detection.gone import delete, deletion_that_stands
from core.detection.judge import judge, tick
from core.detection.market import firing_of
from core.detection.testimony import UNSAID
from core.judging.findings import EventRow, JudgingError, QuarantineNote
from core.judging.rename import rename
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from core.detection.report import Report
    from core.detection.state import EntityState, Judgement
    from core.judging.entity import EntityMemory
    from core.judging.findings import Findings
    from core.judging.sample import EntityKey, SampleRow

_GUARD_NOTES = frozenset({"quarantined", "confirmed", "dismissed", "released"})
_TRY_AGAIN_AFTER = timedelta(minutes=1)


def judge_samples(rows: Iterable[SampleRow], entities: Mapping[EntityKey, EntityMemory], findings: Findings) -> None:
    """Judge samples, each entity's in order. Those of entities that are not in the mapping are none of ours."""
    for row in rows:
        entity = entities.get(row.key)
        if entity is None:
            continue
        if row.what == "sample":
            own_time = row.changed_at or row.sampled_at
            # Nearly no row is ahead at all, and each is spared a call.
            if own_time > row.appended_at and is_ahead(own_time, row.appended_at, entity.watch.max_future):
                findings.put_aside(row, "future")
                _come_back(row, entity, findings)
                continue
            if entity.rule.reject and is_rejected(row.value, entity.rule):
                findings.put_aside(row, "rejected")
                _come_back(row, entity, findings)
                continue
            if entity.remember(row):
                findings.has_changed(entity)
                continue
        try:
            if row.what == "renamed":
                rename(row, entities, findings)
            else:
                _judge_sample(row, entity, findings)
        except Exception as error:  # noqa: BLE001 - one sample that breaks the rules must not stop all others
            findings.errors.append(_judging_error(entity, error))


def judge_appointments(entities: Iterable[EntityMemory], at: datetime, findings: Findings) -> None:
    """Judge what time alone has brought about; what has no appointment yet only gets its time."""
    for entity in entities:
        try:
            _judge_appointment(entity, at, findings)
        except Exception as error:  # noqa: BLE001 - as above
            findings.errors.append(_judging_error(entity, error))
            entity.postpone(at + _TRY_AGAIN_AFTER)
        findings.has_changed(entity)


def make_new_appointments(entities: Iterable[EntityMemory], findings: Findings) -> None:
    """Have the rules of now say when time alone may change an entity."""
    for entity in entities:
        _move(entity, entity.state, findings)


def _judge_sample(row: SampleRow, entity: EntityMemory, findings: Findings) -> None:
    if row.what == "deleted":
        _judge_deletion(row, entity, findings)
        return
    if entity.gone_xid != row.xid:  # what one transaction deletes and writes again is not gone at all
        _end_absence(row.sampled_at, entity, findings)
    before = entity.state
    watch = entity.watch.watch
    judgement = judge(before, row.sample, entity.rule, compare_with=watch.compare_with, shape=watch.shape)
    if judgement.state is not before:
        _move(entity, judgement.state, findings)
    if before is None or judgement.report is not None:
        entity.came_xid = row.xid if judgement.report is None else None
    if judgement.note == "late":
        findings.put_aside(row, "late")
    _note_guard(entity, before, judgement, row.value, findings)
    if judgement.report is not None:
        findings.events.append(_event(entity, judgement.report, row.sampled_at, row.traceparent, row.tracestate))
        _note_firing(entity, judgement.report, judgement.state, findings)


def _judge_deletion(row: SampleRow, entity: EntityMemory, findings: Findings) -> None:
    """A sampled entity may come back; of others, the table has said that they do not."""
    state = entity.state
    if state is None:
        return
    if entity.came_xid and entity.came_xid == row.xid:  # nobody but that transaction has seen it
        _move(entity, None, findings)
        return
    if entity.watch.is_sampled:
        entity.go(row)
        findings.has_changed(entity)
        findings.has_gone = True
        return
    # What the newest row says is not kept of an entity that its trigger judges by itself.
    report = delete(replace(state, testimony=UNSAID, suspect_testimony=UNSAID), entity.rule, row.testimony)
    _move(entity, None, findings)
    findings.events.append(_event(entity, report, row.sampled_at, row.traceparent, row.tracestate))


def _come_back(row: SampleRow, entity: EntityMemory, findings: Findings) -> None:
    """The row is there again, though nothing that it says counts."""
    if entity.gone_xid != row.xid:
        _end_absence(row.sampled_at, entity, findings)
    state = entity.state
    if state is not None and state.gone_at is not None:
        _move(entity, replace(state, gone_at=None), findings)


def _end_absence(at: datetime, entity: EntityMemory, findings: Findings) -> None:
    """Where the entity has been away for too long, it was deleted, and what comes now is another one."""
    state, gone = entity.state, entity.gone
    report = None if state is None else deletion_that_stands(state, at, entity.rule)
    if report is not None:
        trace = () if gone is None else (gone.traceparent, gone.tracestate)
        findings.events.append(_event(entity, report, at, *trace))
        _move(entity, None, findings)


def _judge_appointment(entity: EntityMemory, at: datetime, findings: Findings) -> None:
    before, due = entity.state, entity.due_at
    if before is None:
        return
    if due is None or due > at:
        entity.move_to(before)
        return
    if before.gone_at is not None:
        _end_absence(at, entity, findings)
        return
    judgement = tick(before, at, entity.rule, compare_with=entity.watch.watch.compare_with)
    entity.move_to(judgement.state)
    _note_guard(entity, before, judgement, before.suspect_value, findings)
    if judgement.report is not None:
        findings.events.append(_event(entity, judgement.report, at))
        _note_firing(entity, judgement.report, judgement.state, findings)


def _move(entity: EntityMemory, state: EntityState | None, findings: Findings) -> None:
    entity.move_to(state)
    findings.has_changed(entity)


def _note_guard(
    entity: EntityMemory, before: EntityState | None, judgement: Judgement, value: Decimal | None, findings: Findings
) -> None:
    if before is not None and judgement.note is not None and judgement.note in _GUARD_NOTES:
        held_back = before.suspect_value if judgement.note == "dismissed" else value
        findings.notes.append(QuarantineNote(*entity.key, judgement.note, before.value, held_back))


def _note_firing(entity: EntityMemory, report: Report, state: EntityState, findings: Findings) -> None:
    if entity.watch.watch.market is None:
        return
    watch, chain, name = entity.key
    firing = firing_of((chain, name), report, state.reported_at)
    if firing is not None:
        findings.fires(watch, firing)


def _event(
    entity: EntityMemory, report: Report, at: datetime, traceparent: str | None = None, tracestate: str | None = None
) -> EventRow:
    told = report.testimony.told(at, entity.watch.watch)
    return EventRow.of(entity.key, report, told, traceparent, tracestate)


def _judging_error(entity: EntityMemory, error: Exception) -> JudgingError:
    # As PostgreSQL calls what overflows a number; what else there may be is a defect of rtp's own.
    sqlstate = "22003" if isinstance(error, ArithmeticError) else "XX000"
    return JudgingError(entity.watch.name, sqlstate, f"{type(error).__name__}: {one_line(error)}")
