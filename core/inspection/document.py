"""Pictures made of dataclasses, as JSON-ready documents in the spelling of rtp's events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from core.detection.report import amount_text
from rtp_client.event import format_time


def as_document(value: Any) -> Any:
    """Amounts become decimal strings, times RFC 3339 in UTC, durations seconds; the rest keeps its shape."""
    if is_dataclass(value):
        return {field.name: as_document(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: as_document(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_document(item) for item in value]
    if isinstance(value, Decimal):
        return amount_text(value)
    if isinstance(value, datetime):
        return format_time(value)
    return value.total_seconds() if isinstance(value, timedelta) else value
