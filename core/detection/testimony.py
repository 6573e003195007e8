"""What a row says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from core.settings.watches import Watch


class Testimony(NamedTuple):
    """When a row changed, how sure it is, and who says so. None is no word: the watch's default holds."""

    changed_at: datetime | None = None
    confidence: float | None = None
    provenance: str | None = None

    def or_else(self, other: Testimony) -> Testimony:
        """The same, with the other's word where this one has none."""
        return Testimony(
            other.changed_at if self.changed_at is None else self.changed_at,
            other.confidence if self.confidence is None else self.confidence,
            other.provenance if self.provenance is None else self.provenance,
        )

    def told(self, at: datetime, watch: Watch) -> tuple[datetime, float, str | None]:
        """What an event tells of the row, which was judged at that moment."""
        return (
            at if self.changed_at is None else self.changed_at,
            watch.confidence if self.confidence is None else self.confidence,
            watch.provenance if self.provenance is None else self.provenance,
        )


UNSAID = Testimony()
