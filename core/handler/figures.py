"""What CloudWatch is told of batches and ticks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.emf import CloudWatchMetric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.emf import Figure
    from core.handler.outcome import BatchOutcome

RECORDS = CloudWatchMetric("Records", "Records of the streams that came.")
EVENTS = CloudWatchMetric("Events", "Events that came of them.")
SET_ASIDE = CloudWatchMetric("SetAside", "Records that moved nothing.")
OUT_OF_ORDER = CloudWatchMetric(
    "OutOfOrder", "Samples of a history that later ones of their stream had overtaken; they are set aside, too."
)
PASSED_OVER = CloudWatchMetric(
    "PassedOver",
    "Records that no watch takes: of other items (where), or deleted by the time to live (on_ttl: ignore).",
)
DEAD_LETTERS = CloudWatchMetric("DeadLetters", "Records given up; told at once.")
FAILED_BATCHES = CloudWatchMetric("FailedBatches", "Batches that come again; told at once.")
PENDING_ALERTS = CloudWatchMetric(
    "PendingAlerts", "Alerts that a queue has not taken, as the tick sees them.", "Queue", is_gauge=True
)
OLDEST_PENDING_ALERT_SECONDS = CloudWatchMetric(
    "OldestPendingAlertSeconds", "For how long the oldest of them waits.", "Queue", "Seconds", is_gauge=True
)
BASELINES_LOST = CloudWatchMetric(
    "BaselinesLost", "Times that Redis had lost its memory, and it was made anew from the tables; told at once."
)
TICKS = CloudWatchMetric("Ticks", "Once a minute.")
COLD_STARTS = CloudWatchMetric("ColdStarts", "Each start of an instance of the Lambda.")


def figures_of(outcome: BatchOutcome, *, records: int | None) -> Iterator[Figure]:
    """The figures of a batch, or of a tick, which has no records."""
    now = datetime.now(UTC)
    if records is None:
        yield TICKS.of(1)
    else:
        yield RECORDS.of(records)
    yield EVENTS.of(len(outcome.events))
    yield DEAD_LETTERS.of(len(outcome.dead_letters))
    yield FAILED_BATCHES.of(int(outcome.failed is not None))
    yield SET_ASIDE.of(outcome.set_aside.total())
    yield OUT_OF_ORDER.of(sum(count for (_, why), count in outcome.set_aside.items() if why == "out_of_order"))
    yield PASSED_OVER.of(outcome.notes["elsewhere"] + outcome.notes["expired"])
    yield BASELINES_LOST.of(outcome.lost.total())
    for one in outcome.pending:
        yield PENDING_ALERTS.of(one.alerts, one.queue)
        yield OLDEST_PENDING_ALERT_SECONDS.of(one.oldest_seconds(now), one.queue)


def is_notable(outcome: BatchOutcome) -> bool:
    """Whether somebody should know at once, and not at the end of the interval."""
    return bool(outcome.failed is not None or outcome.dead_letters or outcome.lost)
