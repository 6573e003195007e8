"""A row of the sample log."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from core.detection.state import Sample, lag_of
from core.detection.testimony import Testimony

EntityKey = tuple[int, str, str]
"""An entity of any watch: the watch's id, the chain, and the protocol or token."""


class SampleRow(NamedTuple):
    """What a trigger has appended: a `sample`, or that the row is gone, `deleted`, or has another name, `renamed`.

    `changed_at` is None where it is `sampled_at`; `confidence` is None where nothing is known of the row.
    """

    id: int
    watch: int
    chain: str
    entity: str
    what: str
    value: Decimal | None
    sampled_at: datetime
    changed_at: datetime | None
    confidence: float | None
    provenance: str | None
    traceparent: str | None
    tracestate: str | None
    appended_at: datetime
    xid: str
    source: str | None = None
    former_chain: str | None = None
    former_entity: str | None = None

    @property
    def lag(self) -> timedelta:
        """How far its time lay behind its arrival."""
        return lag_of(self.sampled_at, self.appended_at)

    @property
    def key(self) -> EntityKey:
        """Whom it is about."""
        return self.watch, self.chain, self.entity

    @property
    def former_key(self) -> EntityKey | None:
        """Who was renamed; None where nobody was."""
        if self.former_chain is None or self.former_entity is None:
            return None
        return self.watch, self.former_chain, self.former_entity

    @property
    def testimony(self) -> Testimony:
        """What the user's row says of itself."""
        return Testimony(self.changed_at or self.sampled_at, self.confidence, self.provenance)

    @property
    def sample(self) -> Sample:
        """What is judged of it."""
        return Sample(self.value, self.sampled_at, self.testimony, self.appended_at, self.source or "")
