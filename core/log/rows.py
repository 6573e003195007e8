"""A significant change as a row, and the event that it stands for; the same for every source of rows."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from pydantic import ValidationError

from core.errors import EventRejected
from rtp_client.errors import one_line
from rtp_client.event import Event, Reason, encode_part, format_sequence, format_time
from rtp_client.keys import partition_key

# Looked up for every event, and a member of an Enum is found by a call.
_CAME_OR_WENT = frozenset({Reason.ADDED.value, Reason.REMOVED.value})


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


def event_id(row: LogRow, log_id: str) -> str:
    """The id of a row's event."""
    return f"{log_id}-{row.xid}-{row.id}"


def build_event(row: LogRow, *, source: str, log_id: str) -> Event:
    """A log row as the event it stands for. Raises EventRejected where the row breaks the event's own rules."""
    return event_called(event_id(row, log_id), row, source=source)


def event_called(event_id: str, row: LogRow, *, source: str) -> Event:
    """The row's event under an id that its source has made. Raises EventRejected as `build_event` does."""
    try:
        event = Event.model_validate(_document(row, source, event_id))
        _ = event.json_bytes  # made here: a field nested too deep for JSON shows only now
    except (ValueError, RecursionError) as error:
        raise EventRejected(f"event {row.id} is not valid: {reason_of(error)}") from error
    return event


def reason_of(error: ValueError | RecursionError) -> str:
    """What is wrong with an event, on one line: each part, and what it must be."""
    if not isinstance(error, ValidationError):
        return one_line(error)
    parts = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, part['loc'])) or 'event'}: {part['msg']}" for part in parts)


def _document(row: LogRow, source: str, event_id: str) -> dict[str, Any]:
    changed_at, subject = format_time(row.changed_at), f"{encode_part(row.chain)}/{encode_part(row.entity)}"
    happened = row.reason if row.reason in _CAME_OR_WENT else "changed"
    return {
        "id": event_id,
        "source": f"{source}/{row.watch}",
        "type": f"rtp.{row.kind}.{happened}",
        "subject": subject,
        "time": changed_at,
        "partitionkey": partition_key(row.chain, row.entity),
        "sequence": format_sequence(row.id),
        "traceparent": row.traceparent,
        "tracestate": row.tracestate,
        "data": {
            "kind": row.kind,
            "chain": row.chain,
            "entity": row.entity,
            "previous": row.previous,
            "current": row.current,
            "change": row.change,
            "change_pct": row.change_pct,
            "fields": _fields(row.fields) if row.fields else None,
            "reason": row.reason,
            "severity": row.severity,
            "confidence": row.confidence,
            "provenance": row.provenance,
            "changed_at": changed_at,
            "detected_at": format_time(row.detected_at),
            "duration_seconds": row.duration_seconds,
        },
    }


def _fields(text: str) -> Any:
    return json.loads(text, parse_float=exact_number, parse_int=exact_number)


def exact_number(digits: str) -> float | int | str:
    """A number inside a metadata field: a JSON number where a double holds it exactly as written, else its digits."""
    number, exact = float(digits), Decimal(digits)
    if Decimal(repr(number)) != exact:
        return digits
    is_whole = "." not in digits and exact == exact.to_integral_value()
    return int(exact) if is_whole else number
