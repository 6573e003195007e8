"""An alert: an event that one destination is to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtp_client.event import Event


@dataclass(frozen=True)
class Alert:
    """An event as it waits in a destination's outbox. `place` is its own there; places grow in order of arrival."""

    event: Event
    place: str

    @property
    def waits_since(self) -> float:
        """When it came into the outbox, Unix time, by Redis's clock."""
        return int(self.place.partition("-")[0]) / 1000
