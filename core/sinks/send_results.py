"""What came of sending a few events: which are in, which are refused, and what of them is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.sinks import Outcome, Rejection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtp_client.event import Event


@dataclass
class SendResults:
    """What is known so far of one batch, by event id and partition key."""

    rejected: list[Rejection] = field(default_factory=list)
    sent: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    cause: str = ""
    broken: Exception | None = None
    """Why the service as a whole gets nothing more."""

    @property
    def has_results(self) -> bool:
        """Whether the service said of any event what became of it."""
        return bool(self.sent or self.rejected or self.failed)

    def note_sent(self, events: Sequence[Event]) -> None:
        """The service has these."""
        self.sent.update(event.id for event in events)

    def note_failed(self, events: Sequence[Event], cause: str) -> None:
        """The service has not got these now; nothing of their groups may pass them."""
        if events:
            self.failed.update(event.partitionkey for event in events)
            self.cause = cause

    def note_refused(self, event: Event, cause: str, *, is_final: bool) -> None:
        """The service refused this one for its own sake."""
        self.rejected.append(Rejection(event, cause, is_final))
        if not is_final:
            self.note_failed([event], cause)

    def note_broken(self, error: Exception, cause: str) -> None:
        """The service as a whole does not answer."""
        self.broken, self.cause = error, cause

    def outcome(self, events: Sequence[Event]) -> Outcome:
        """What became of the events that were to be sent, and of those that were refused before that."""
        dead = {refusal.event.id for refusal in self.rejected if refusal.is_final}
        undelivered = [event for event in events if event.id not in self.sent and event.id not in dead]
        return Outcome(undelivered, self.rejected, self.cause)
