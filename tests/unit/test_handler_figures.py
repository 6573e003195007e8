"""What CloudWatch is told of a batch, and of a tick."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.emf import Figure
from core.handler.alert_store import PendingAlerts
from core.handler.figures import figures_of, is_notable
from core.handler.outcome import BatchOutcome
from core.letters.stream_letters import StreamLetter


def told(outcome: BatchOutcome, *, records: int | None) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures_of(outcome, records=records)}


def test_a_tick_tells_what_waits_for_each_queue_and_for_how_long() -> None:
    since = datetime.now(UTC) - timedelta(seconds=90)
    found = told(BatchOutcome(pending=[PendingAlerts("alerts.fifo", 3, since)]), records=None)
    waiting, oldest = found["PendingAlerts"], found["OldestPendingAlertSeconds"]
    assert (waiting.value, waiting.dimensions) == (3, (("Queue", "alerts.fifo"),))
    assert (round(oldest.value, -1), oldest.unit) == (90, "Seconds")
    assert (found["Ticks"].value, "Records" in found) == (1, False)


def test_records_that_moved_nothing_are_told_by_their_reasons() -> None:
    outcome = BatchOutcome()
    outcome.notes.update({"elsewhere": 3, "expired": 1, "repeated": 7})
    outcome.set_aside.update({("prices", "out_of_order"): 2, ("prices", "late"): 5})
    found = told(outcome, records=9)
    assert [found[name].value for name in ("Records", "SetAside", "OutOfOrder", "PassedOver")] == [9, 7, 2, 4]


@pytest.mark.parametrize(
    "outcome",
    [BatchOutcome(failed="1"), BatchOutcome(dead_letters=[StreamLetter("bad")])],
    ids=["records that come again", "a dead letter"],
)
def test_what_somebody_should_know_is_notable(outcome: BatchOutcome) -> None:
    assert is_notable(outcome)
    assert not is_notable(BatchOutcome())
