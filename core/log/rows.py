"""A significant change as a row, and the event that it stands for; the same for every source of rows."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct, ValidationError, convert, structs

from core.errors import EventRejected
from rtp_client.attribute_json import exact_number
from rtp_client.errors import one_line
from rtp_client.event import (
    Event,
    EventData,
    EventType,
    KindName,
    Reason,
    Severity,
    decode_event,
    encode_part,
    fault_of,
    format_sequence,
    format_time,
)
from rtp_client.keys import partition_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rtp_client.event import DeletedBy

_VERBS = {Reason.ADDED: "added", Reason.REMOVED: "removed", Reason.MARKET_MOVED: "moved"}
_DEEPEST = 190
"""How deep changed fields may nest: readers of JSON have their limits, rtp_client's of before one of 200 levels."""


class LogRow(NamedTuple):
    """One row of rtp.event, with what the reader's query adds; the order is the query's."""

    id: int
    xid: str
    watch: str
    kind: str
    chain: str
    entity: str
    previous: str | None
    current: str | None
    change: str | None
    change_pct: str | None
    fields: str | None
    reason: str
    severity: str
    confidence: float
    provenance: str | None
    changed_at: datetime
    detected_at: datetime
    duration_seconds: float | None
    traceparent: str | None = None
    tracestate: str | None = None
    details: str | None = None

    @property
    def market(self) -> str | None:
        """The id of the market-wide move that the change is part of."""
        return None if self.details is None else json.loads(self.details).get("market")


def event_id(row: LogRow, log_id: str) -> str:
    """The id of a row's event."""
    return f"{log_id}-{row.xid}-{row.id}"


def build_event(row: LogRow, *, source: str, log_id: str) -> Event:
    """A row of rtp.event as the event it stands for. Raises EventRejected where the row breaks the event's own rules.

    The types of the table's columns, and a look at a few of these, tell that most rows are valid. That is four times as
    fast as what `event_called` does.
    """
    labels = _labels(row.kind, row.reason, row.severity)
    if _is_plain(row) and labels.are_valid:
        return _event(event_id(row, log_id), row, source, labels)
    return event_called(event_id(row, log_id), row, source=source)


def event_called(event_id: str, row: LogRow, *, source: str, deletedby: DeletedBy | None = None) -> Event:
    """The event of a row from anywhere, under an id that its source has made; decoded here as every reader decodes it.

    Raises EventRejected as `build_event` does.
    """
    event: Event | None = None
    try:
        labels = _labels(row.kind, row.reason, row.severity)
        event = structs.replace(_event(event_id, row, source, labels, _changes(row.fields)), deletedby=deletedby)
        return decode_event(event.json_bytes)
    except (ValueError, RecursionError) as error:
        faults = "" if event is None else "; ".join(_faults(event))
        raise EventRejected(f"event {row.id} is not valid: {faults or one_line(error)}") from error


def _is_plain(row: LogRow) -> bool:
    """Whether nothing in a row of rtp.event needs a closer look but its labels."""
    return (
        row.fields is None
        and row.details is None
        and row.duration_seconds is None
        and row.traceparent is None
        and row.tracestate is None
        and 0 <= row.confidence <= 1
        and row.chain != ""
        and row.entity != ""
    )


def _event(event_id: str, row: LogRow, source: str, labels: _Labels, fields: Any = None) -> Event:
    changed_at = format_time(row.changed_at)
    subject, partition = _names(row.chain, row.entity)
    data = EventData(
        kind=row.kind,
        chain=row.chain,
        entity=row.entity,
        previous=row.previous,
        current=row.current,
        change=row.change,
        change_pct=row.change_pct,
        fields=fields,
        reason=labels.reason,
        severity=labels.severity,
        duration_seconds=row.duration_seconds,
        confidence=row.confidence,
        provenance=row.provenance,
        changed_at=changed_at,
        detected_at=format_time(row.detected_at),
    )
    return Event(
        id=event_id,
        source=f"{source}/{row.watch}",
        type=labels.type,
        subject=subject,
        time=changed_at,
        partitionkey=partition,
        sequence=format_sequence(row.id),
        traceparent=row.traceparent,
        tracestate=row.tracestate,
        data=data if row.details is None else structs.replace(data, **json.loads(row.details)),
    )


class _Labels(NamedTuple):
    """What events of one kind, reason and severity have in common."""

    type: str
    reason: Reason
    severity: Severity
    are_valid: bool


@lru_cache(maxsize=1024)
def _labels(kind: str, reason: Any, severity: Any) -> _Labels:
    event_type = f"rtp.{kind}.{_VERBS.get(reason, 'changed')}"
    try:
        convert((kind, event_type), tuple[KindName, EventType])
        return _Labels(event_type, Reason(reason), Severity(severity), are_valid=True)
    except ValueError:
        return _Labels(event_type, reason, severity, are_valid=False)


@lru_cache(maxsize=65_536)
def _names(chain: str, entity: str) -> tuple[str, str]:
    """The subject and the partition key."""
    return f"{encode_part(chain)}/{encode_part(entity)}", partition_key(chain, entity)


def _faults(part: Struct, within: str = "") -> Iterator[str]:
    """What is wrong with each attribute."""
    for attribute in structs.fields(type(part)):
        value = getattr(part, attribute.name)
        if isinstance(value, Struct):
            yield from _faults(value, f"{attribute.name}.")
        else:
            try:
                convert(value, attribute.type)
            except ValidationError as error:
                yield fault_of(error, f"{within}{attribute.name}")


def _changes(text: str | None) -> Any:
    if not text:
        return None
    too_deep = ValueError(f"data.fields: Nested deeper than {_DEEPEST} levels")
    try:
        changes = json.loads(text, parse_float=exact_number, parse_int=exact_number)
    except RecursionError:
        raise too_deep from None
    if text.count("[") + text.count("{") > _DEEPEST and _is_deeper(changes, _DEEPEST):
        raise too_deep
    return changes


def _is_deeper(value: Any, levels: int) -> bool:
    members = list(value.values()) if isinstance(value, dict) else value
    return isinstance(members, list) and (levels == 0 or any(_is_deeper(member, levels - 1) for member in members))
