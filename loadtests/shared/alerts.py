"""Alerts to send, as rtp would make them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.log.rows import LogRow, build_event

if TYPE_CHECKING:
    from rtp_client.event import Event

SAMPLE = LogRow(
    id=1,
    xid="700",
    watch="tvl",
    kind="tvl",
    chain="ethereum",
    entity="lido",
    previous="100",
    current="90",
    change="-10",
    change_pct="-10",
    fields=None,
    reason="deviation",
    severity="warning",
    confidence=1.0,
    provenance=None,
    changed_at=datetime(2024, 3, 19, tzinfo=UTC),
    detected_at=datetime(2024, 3, 19, tzinfo=UTC),
    duration_seconds=None,
)


def alert(sequence: int, entity: str, **columns: Any) -> Event:
    """An alert that was detected now."""
    now = datetime.now(UTC)
    row = SAMPLE._replace(id=sequence, entity=entity, **{"changed_at": now, "detected_at": now, **columns})
    return build_event(row, source="/rtp", log_id="load")
