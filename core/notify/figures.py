"""What this process has told: counted for metrics, and what CloudWatch is told of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from core.emf import CloudWatchMetric
from core.notify.counts import DestinationCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from core.emf import Figure
    from core.notify.outcome import MessageOutcome
    from core.notify.overview import Overview

TOLD = CloudWatchMetric("Told", "Alerts that a service has accepted.", "Destination")
MESSAGES = CloudWatchMetric("Messages", "In how many messages it has.", "Destination")
NOTIFY_FAILURES = CloudWatchMetric("NotifyFailures", "Messages that it has not accepted.", "Destination")
UNTOLD = CloudWatchMetric("Untold", "Alerts that wait in Redis.", "Destination", is_gauge=True)
OLDEST_UNTOLD_SECONDS = CloudWatchMetric(
    "OldestUntoldSeconds", "For how long the oldest of them has.", "Destination", "Seconds", is_gauge=True
)
NOTIFY_OPEN_CIRCUITS = CloudWatchMetric(
    "NotifyOpenCircuits", "1 while the service takes nothing.", "Destination", is_gauge=True
)
UNTOLD_DEAD_LETTERS = CloudWatchMetric(
    "UntoldDeadLetters",
    "Alerts that could not be told and wait for somebody: rtp dlq list.",
    is_gauge=True,
)
NOTIFY_TICKS = CloudWatchMetric("NotifyTicks", "Once a minute, of the Lambda alone.")


class NotifyTally:
    """Counts what came of messages, by destination. For threads."""

    def __init__(self, destinations: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(destinations, DestinationCounts())

    def observe(self, outcome: MessageOutcome) -> None:
        """A service has answered, or has not."""
        with self._lock:
            before = self._counts.get(outcome.destination, DestinationCounts())
            self._counts[outcome.destination] = before.plus(outcome.counts)

    def counts(self) -> Mapping[str, DestinationCounts]:
        """So far."""
        with self._lock:
            return dict(self._counts)


class NotifyFigures:
    """What CloudWatch is told: what was done since the last time, and how each destination stands."""

    def __init__(self, tally: NotifyTally) -> None:
        self._tally = tally
        self._told: Mapping[str, DestinationCounts] = {}

    def figures(self, seen: Overview) -> Iterator[Figure]:
        """The figures; of gauges the last value counts."""
        counts, told = self._tally.counts(), self._told
        self._told = counts
        yield UNTOLD_DEAD_LETTERS.of(seen.dead_letters)
        for destination, count in counts.items():
            since = count.minus(told.get(destination, DestinationCounts()))
            yield TOLD.of(since.told, destination)
            yield MESSAGES.of(since.messages, destination)
            yield NOTIFY_FAILURES.of(since.failed, destination)
            if standing := seen.standings.get(destination):
                yield NOTIFY_OPEN_CIRCUITS.of(int(standing.failures_in_a_row > 0), destination)
                yield UNTOLD.of(standing.waiting, destination)
                yield OLDEST_UNTOLD_SECONDS.of(standing.oldest_seconds(seen.at), destination)
