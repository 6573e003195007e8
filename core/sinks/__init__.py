"""Where events go. Each type of sink has a file or a folder here, and a line in `core.sinks.registry`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.leading.epoch import Epoch
    from core.sinks.handover import Handover
    from rtp_client.event import Event


@dataclass(frozen=True)
class Rejection:
    """An event that the service refused for its own sake, and the service's reason.

    Not final, it may still be taken at a later try: it is among the undelivered, too.
    """

    event: Event
    error: str
    is_final: bool = True


@dataclass(frozen=True)
class Outcome:
    """What became of a batch. What is in neither list is delivered; `cause` says why some is undelivered."""

    undelivered: Sequence[Event] = ()
    rejected: Sequence[Rejection] = ()
    cause: str = ""


class Sink(Protocol):
    """A destination of events.

    `deliver` gets events in log order and keeps that order per partition key: what it returns as undelivered holds
    every later event of the same partition key too. Delivering an event again is harmless. It raises SinkUnavailable
    when the service as a whole does not answer, and LeadershipLost when it finds that `epoch` is over, whose deliveries
    these are. Called from one thread, but for `abandon`.

    A sink that does not take one batch after the other has its own way as `handover`, which the delivery loop uses
    instead of `deliver`: `core.sinks.lanes`, `core.sinks.pipelined`.
    """

    name: str
    service: str
    address: str
    batch_size: int
    poll_interval_seconds: float
    epoch: Epoch
    handover: Handover | None = None
    goes_first: bool = False
    """Whether the others let it go first behind a large commit (`core.processor.precedence`)."""

    def open(self) -> None:
        """Connect, and fail early and clearly where that cannot work. Raises SinkUnavailable."""

    def deliver(self, events: Sequence[Event]) -> Outcome:
        """Hand events over, in order."""

    def newest_sequence(self, log_id: str) -> int:
        """Up to where it surely had events of a log when it was opened; 0 where it keeps none, or none of that log."""
        return 0

    def abandon(self) -> bool:
        """End a call that waits for an answer, and every one that follows; false where it ends by itself only."""
        return False

    def close(self) -> None:
        """Give up connections; harmless when there are none."""
