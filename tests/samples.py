"""Events to deliver, as the log would hold them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.log.rows import build_event
from loadtests.shared.alerts import SAMPLE

if TYPE_CHECKING:
    from rtp_client.event import Event

NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
ROW = SAMPLE._replace(
    current="102.50",
    change="2.50",
    change_pct="2.5",
    severity="info",
    provenance="llama",
    changed_at=NOON,
    detected_at=NOON,
)


def make_event(sequence: int, entity: str = "lido", *, log_id: str = "test", **columns: Any) -> Event:
    """The event of a row of the log."""
    return build_event(ROW._replace(id=sequence, entity=entity, **columns), source="/rtp", log_id=log_id)
