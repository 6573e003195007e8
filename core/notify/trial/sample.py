"""An alert to try an audience's messages with: one that it would be told of, of something that has not happened."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from core.log.rows import LogRow, build_event
from core.routes.matching import mismatch
from core.routes.sample_event import samples_of

if TYPE_CHECKING:
    from core.routes.sample_event import SampleEvent
    from core.settings.models import Settings
    from core.settings.notify import Audience
    from rtp_client.event import Event

TEST = "Test, nothing has happened: "
_FIELDS = '{"category": {"previous": "Lending", "current": "Yield"}}'


def sample_for(settings: Settings, audience: Audience) -> Event:
    """The event of a watch that the audience is told of, or of the first watch where it fits none of these samples."""
    samples = [(watch, sample) for watch in settings.watches for sample in samples_of(settings, watch)]
    fitting = (one for one in samples if mismatch(audience.match, one[1]) is None)
    watch, sample = next(fitting, samples[0])
    return build_event(_row(watch, sample), source=settings.source, log_id="test")


def _row(watch: str, sample: SampleEvent) -> LogRow:
    now, percent = datetime.now(UTC), sample.change_pct
    return LogRow(
        id=1,
        xid="1",
        watch=watch,
        kind=sample.kind,
        chain=sample.chain,
        entity=sample.entity,
        previous=None if percent is None else "100",
        current=None if percent is None else f"{100 + Decimal(percent):f}",
        change=percent,
        change_pct=percent,
        fields=_FIELDS if percent is None else None,
        reason=sample.reason,
        severity=sample.severity,
        confidence=1.0,
        provenance=None,
        changed_at=now,
        detected_at=now,
        duration_seconds=None,
    )
