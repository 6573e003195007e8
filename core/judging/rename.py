"""Entities that are called otherwise from some sample on: what is known of them goes over, and one event tells so.

Where one transaction gives an entity several names, the last one is told, with the one that it had before. Where a
statement gives a name on that another of its rows had, whoever had it steps aside first: for as long as it takes to
judge the next samples it is known under a key that is no row's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from core.detection.gone import delete
from core.detection.renamed import renamed
from core.detection.testimony import Testimony
from core.judging.findings import EventRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.detection.detector import Key
    from core.judging.entity import EntityMemory
    from core.judging.findings import Findings
    from core.judging.sample import EntityKey, SampleRow


class Renamed(NamedTuple):
    """What an entity was called before a transaction; `told` are the findings that tell so, at that place, if any."""

    xid: str
    first: Key
    told: Findings | None
    place: int


def rename(row: SampleRow, entities: Mapping[EntityKey, EntityMemory], findings: Findings) -> None:
    """Have the entity that the row names be who had its former name. Where nobody is known by that, nothing changes."""
    former = None if row.former_key is None else entities.get(row.former_key)
    entity = entities[row.key]
    if former is None or former.state is None:
        return
    _end(entity, row, findings)
    first = _first_name(former, row, findings)
    is_unseen = former.came_xid == row.xid
    entity.take_over(former)
    findings.has_changed(entity)
    findings.has_changed(former)
    entity.renamed = Renamed(row.xid, first, None, 0)
    if is_aside(row.key) or is_unseen or first == row.key[1:]:
        return
    namesake = entities.get((row.watch, *first))
    is_taken = namesake is not None and namesake.state is not None
    entity.renamed = Renamed(row.xid, first, findings, len(findings.events))
    findings.events.append(_event(entity, row, first, is_taken=is_taken))


def is_aside(key: EntityKey) -> bool:
    """Whether it is the key of one that has stepped aside."""
    return key[1] == ""


def _end(entity: EntityMemory, row: SampleRow, findings: Findings) -> None:
    """Somebody else has the entity's name: its own row is gone, and so is what nobody but that transaction has seen."""
    if entity.state is not None and entity.came_xid != row.xid:
        gone = entity.gone
        report = delete(entity.state, entity.rule, Testimony(row.sampled_at) if gone is None else gone.testimony)
        told = report.testimony.told(row.sampled_at, entity.watch.watch)
        findings.events.append(EventRow.of(entity.key, report, told))


def _first_name(former: EntityMemory, row: SampleRow, findings: Findings) -> Key:
    """What it was called before the transaction; that it was called otherwise in between is not told."""
    last = former.renamed
    if last is not None and last.xid == row.xid and (last.told is None or last.told is findings):
        if last.told is not None:
            findings.untold.add(last.place)
        return last.first
    if is_aside(former.key):
        chain, entity = json.loads(former.key[2])
        return chain, entity
    return former.key[1:]


def _event(entity: EntityMemory, row: SampleRow, first: Key, *, is_taken: bool) -> EventRow:
    assert entity.state is not None
    report = renamed(entity.state.value, first, row.testimony, is_taken=is_taken)
    told = report.testimony.told(row.sampled_at, entity.watch.watch)
    return EventRow.of(entity.key, report, told, row.traceparent, row.tracestate)
