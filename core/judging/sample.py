"""A row of the sample log."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple


class SampleRow(NamedTuple):
    """What a trigger has appended: a `sample`, or that the row is gone, `deleted`."""

    id: int
    watch: int
    chain: str
    entity: str
    what: str
    value: Decimal | None
    sampled_at: datetime
    changed_at: datetime
    confidence: float
    provenance: str | None
    traceparent: str | None
    tracestate: str | None
