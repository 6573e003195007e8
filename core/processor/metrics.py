"""What one sink's loop counts; its thread writes, and the status and monitoring read."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from core.processor.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtp_client.event import Event

STANDBY = "standby"
_LABELS = attrgetter("data.kind", "data.reason", "data.severity")


@dataclass
class SinkMetrics:
    """What one sink's loop has done so far.

    Latencies, in seconds: `detection` from the trigger's clock to the reader, `processing` from there to the sink's
    answer, `delivery` both together. `events` counts what was delivered by kind, reason and severity; `batch_sizes` how
    often a batch had that many events.
    """

    delivered: int = 0
    skipped: int = 0
    batches: int = 0
    retries: int = 0
    dead_letters: int = 0
    reconnects: int = 0
    parked: int = 0
    state: str = "starting"
    last_error: str = ""
    detection: Histogram = field(default_factory=Histogram)
    processing: Histogram = field(default_factory=Histogram)
    delivery: Histogram = field(default_factory=Histogram)
    idle_since: float | None = None
    events: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    batch_sizes: Counter[int] = field(default_factory=Counter)

    def count_batch(self, size: int) -> None:
        """The sink has answered about a batch."""
        self.batches += 1
        self.batch_sizes[size] += 1

    def count_delivered(
        self, events: Sequence[Event], times: Sequence[tuple[float, Sequence[float]]], now: float
    ) -> None:
        """The sink has taken these; `times` as from `InFlight.settle_delivered`."""
        self.delivered += len(events)
        for labels in map(_LABELS, events):
            self.events[labels] += 1
        for read_at, detected_at in times:
            self.delivery.observe_all([now - at for at in detected_at])
            self.processing.observe(now - read_at, len(detected_at))

    def note_running(self) -> None:
        """A service has answered."""
        self.state = "running"
        if not self.parked:
            self.last_error = ""

    def note_retry(self, error: str) -> None:
        """The sink is about to be tried again."""
        self.retries += 1
        self.note_trouble("retrying", error)

    def note_reconnect(self, error: str) -> None:
        """The connection to the log was lost."""
        self.reconnects += 1
        self.note_trouble("reconnecting", error)

    def note_trouble(self, state: str, error: str) -> None:
        """The sink's loop is held up."""
        self.state, self.last_error = state, error

    def note_standby(self) -> None:
        """Somebody else may deliver now."""
        self.state, self.last_error, self.idle_since, self.parked = STANDBY, "", None, 0

    def note_idle(self) -> None:
        """The sink has read an empty window: there was nothing left for it."""
        if self.idle_since is None:
            self.idle_since = time.monotonic()

    def note_work(self) -> None:
        """The sink has something to deliver."""
        self.idle_since = None
