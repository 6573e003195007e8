"""What came of a destination's messages, in numbers: those of one message, of a process, or of all that Redis knows."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class DestinationCounts:
    """Of messages: `messages` that the service has, and `failed` that it did not take; the others are of alerts.

    `folded` came in another's message, `retried` wait to be told again, `dead` can never be told.
    """

    told: int = 0
    messages: int = 0
    folded: int = 0
    failed: int = 0
    retried: int = 0
    dead: int = 0

    def plus(self, other: DestinationCounts) -> DestinationCounts:
        return DestinationCounts(**{name: count + getattr(other, name) for name, count in asdict(self).items()})

    def minus(self, other: DestinationCounts) -> DestinationCounts:
        return DestinationCounts(**{name: count - getattr(other, name) for name, count in asdict(self).items()})
