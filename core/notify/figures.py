"""What this process has told: counted for metrics, and what CloudWatch is told of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from core.emf import Figure
from core.notify.counts import DestinationCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from core.notify.outcome import MessageOutcome
    from core.notify.overview import Overview


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
        yield Figure("UntoldDeadLetters", seen.dead_letters, is_gauge=True)
        for destination, count in counts.items():
            place = (("Destination", destination),)
            since = count.minus(told.get(destination, DestinationCounts()))
            yield Figure("Told", since.told, dimensions=place)
            yield Figure("Messages", since.messages, dimensions=place)
            yield Figure("NotifyFailures", since.failed, dimensions=place)
            if standing := seen.standings.get(destination):
                is_failing = int(standing.failures_in_a_row > 0)
                yield Figure("NotifyOpenCircuits", is_failing, dimensions=place, is_gauge=True)
                yield Figure("Untold", standing.waiting, dimensions=place, is_gauge=True)
                seconds = standing.oldest_seconds(seen.at)
                yield Figure("OldestUntoldSeconds", seconds, "Seconds", place, is_gauge=True)
