"""What CloudWatch is told of batches and ticks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.emf import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.handler.outcome import BatchOutcome


def figures_of(outcome: BatchOutcome, *, records: int | None) -> Iterator[Figure]:
    """The figures of a batch, or of a tick, which has no records."""
    now = datetime.now(UTC)
    if records is None:
        yield Figure("Ticks", 1)
    else:
        yield Figure("Records", records)
    yield Figure("Events", len(outcome.events))
    yield Figure("DeadLetters", len(outcome.dead_letters))
    yield Figure("FailedBatches", int(outcome.failed is not None))
    yield Figure("SetAside", outcome.set_aside.total())
    yield Figure("OutOfOrder", sum(count for (_, why), count in outcome.set_aside.items() if why == "out_of_order"))
    yield Figure("PassedOver", outcome.notes["elsewhere"] + outcome.notes["expired"])
    yield Figure("BaselinesLost", outcome.lost.total())
    for one in outcome.pending:
        queue = (("Queue", one.queue),)
        yield Figure("PendingAlerts", one.alerts, dimensions=queue, is_gauge=True)
        yield Figure("OldestPendingAlertSeconds", one.oldest_seconds(now), "Seconds", queue, is_gauge=True)


def is_notable(outcome: BatchOutcome) -> bool:
    """Whether somebody should know at once, and not at the end of the interval."""
    return bool(outcome.failed is not None or outcome.dead_letters or outcome.lost)
