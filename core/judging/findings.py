"""What comes of judging samples, until it is written down: rows for rtp's tables, and the entities that have moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from core.detection.aside import WhyAside
    from core.detection.market import Firing
    from core.detection.report import Report
    from core.judging.entity import EntityMemory
    from core.judging.sample import EntityKey, SampleRow

_MOST_LINES = 100


class EventRow(NamedTuple):
    """A row for rtp.event."""

    watch: int
    chain: str
    entity: str
    previous: Decimal | None
    current: Decimal | None
    reason: str
    severity: str
    duration_seconds: float | None
    changed_at: datetime
    confidence: float
    provenance: str | None
    traceparent: str | None
    tracestate: str | None
    details: str | None

    @classmethod
    def of(
        cls,
        key: EntityKey,
        report: Report,
        told: tuple[datetime, float, str | None],
        traceparent: str | None = None,
        tracestate: str | None = None,
    ) -> EventRow:
        """The row of a report; `told` is what the testimony of its row comes to."""
        return cls(
            *key,
            report.previous,
            report.current,
            report.reason,
            report.severity,
            report.duration_seconds,
            *told,
            traceparent,
            tracestate,
            report.details_json,
        )


class QuarantineNote(NamedTuple):
    """A row for rtp.quarantine."""

    watch: int
    chain: str
    entity: str
    what: str
    baseline: Decimal | None
    value: Decimal | None


class SetAsideLine(NamedTuple):
    """A row for rtp.set_aside: so many rows, and the last one of them."""

    watch: int
    why: str
    chain: str
    entity: str
    value: Decimal | None
    at: datetime
    weight: int


class JudgingError(NamedTuple):
    """A sample that could not be judged, for rtp.trigger_error."""

    watch: str
    sqlstate: str
    message: str


@dataclass
class Findings:
    """What came of the samples since it was last written down. The order of the events is the log's.

    `firings` are those events that may be part of a market-wide move, by watch, each with its place among the events.
    Those at the places `untold` are not to be told after all.
    """

    events: list[EventRow] = field(default_factory=list)
    firings: dict[int, list[tuple[int, Firing]]] = field(default_factory=dict)
    untold: set[int] = field(default_factory=set)
    notes: list[QuarantineNote] = field(default_factory=list)
    errors: list[JudgingError] = field(default_factory=list)
    set_aside: dict[tuple[object, ...], SetAsideLine] = field(default_factory=dict)
    dirty: list[EntityMemory] = field(default_factory=list)
    has_gone: bool = False
    has_reported_fields: bool = False

    @property
    def told(self) -> list[EventRow]:
        """The events that are to be written down."""
        return [event for place, event in enumerate(self.events) if place not in self.untold]

    @property
    def must_last(self) -> bool:
        """Whether the server's disk must have it before anybody acts on it."""
        return bool(self.events or self.notes)

    @property
    def is_urgent(self) -> bool:
        """Whether somebody may be waiting for it."""
        return bool(self.events or self.notes or self.errors or self.has_gone or self.has_reported_fields)

    def has_changed(self, entity: EntityMemory) -> None:
        """The database is to get this entity."""
        if not entity.is_dirty:
            entity.is_dirty = True
            self.dirty.append(entity)

    def fires(self, watch: int, firing: Firing) -> None:
        """The last event may be part of a market-wide move."""
        self.firings.setdefault(watch, []).append((len(self.events) - 1, firing))

    def put_aside(self, row: SampleRow, why: WhyAside) -> None:
        """Note a sample that moves nothing: a line of its entity, or where there are many, one of its watch."""
        key: tuple[object, ...] = (row.watch, why, row.chain, row.entity)
        if key not in self.set_aside and len(self.set_aside) >= _MOST_LINES:
            key = (row.watch, why)
        before = self.set_aside.get(key)
        weight = 1 if before is None else before.weight + 1
        own_time = row.changed_at or row.sampled_at
        self.set_aside[key] = SetAsideLine(row.watch, why, row.chain, row.entity, row.value, own_time, weight)
