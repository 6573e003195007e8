"""What `/metrics` shows of `rtp notify`: its own counters, read at each scrape, and how Redis has each destination."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client.registry import Collector

from core.monitor.families import buckets, counter, gauge, histogram
from core.monitor.run_families import BUILD_INFO
from core.notify.answer import Accepted
from core.own_version import own_version
from core.processor.histogram import BUCKET_BOUNDS, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client.core import Metric

    from core.notify.figures import NotifyTally
    from core.notify.outcome import MessageOutcome
    from core.notify.overview import Overview

READY = gauge("rtp_notify_ready", "1 where /readyz answers 200.")
TOLD = counter("rtp_notify_told_total", "Alerts that the service has accepted, by this process.", "destination")
MESSAGES = counter("rtp_notify_messages_total", "Messages that it has accepted.", "destination")
FOLDED = counter("rtp_notify_folded_total", "Alerts that came in another's message.", "destination")
FAILURES = counter("rtp_notify_failures_total", "Messages that it has not accepted.", "destination")
RETRIES = counter("rtp_notify_retries_total", "Alerts of these that are told again.", "destination")
DEAD_LETTERS = counter("rtp_notify_dead_letters_total", "Alerts that can never be told.", "destination")
LATENCY_SECONDS = histogram(
    "rtp_notify_latency_seconds",
    "From an event's detection until the service had accepted it, with the time of a digest and of quiet hours.",
    "destination",
)
# What Redis has: every process of one Redis tells the same.
WAITING_ALERTS = gauge("rtp_notify_waiting_alerts", "Alerts that wait in Redis for a destination.", "destination")
WAITING_SECONDS = gauge("rtp_notify_waiting_seconds", "For how long the oldest of them has.", "destination")
FAILURES_IN_A_ROW = gauge(
    "rtp_notify_failures_in_a_row", "Messages in a row that the service has not accepted; 0: it accepts.", "destination"
)
DEAD_LETTERS_KEPT = gauge("rtp_notify_dead_letters_kept", "Dead letters of rtp notify that wait for somebody.")
UNACKNOWLEDGED = gauge("rtp_notify_unacknowledged_alerts", "Alerts that somebody is to acknowledge now.")
ESCALATED = counter(
    "rtp_notify_escalated_total", "Alerts that the next were told, as nobody had acknowledged them in time."
)


class NotifyLatencies:
    """For how long it took from an event's detection until a service had it. For threads."""

    def __init__(self, destinations: Sequence[str]) -> None:
        self.histograms = {name: Histogram() for name in destinations}

    def observe(self, outcome: MessageOutcome) -> None:
        """Count those that a service has."""
        if isinstance(outcome.answer, Accepted):
            detected = (datetime.fromisoformat(alert.event.data.detected_at) for alert in outcome.alerts)
            self.histograms[outcome.destination].observe_all([outcome.at - one.timestamp() for one in detected])


class NotifyCollector(Collector):
    """Makes Prometheus's metric families anew for each scrape. Unless it `is_alone`, `rtp run` has these, too."""

    def __init__(
        self,
        tally: NotifyTally,
        latencies: NotifyLatencies,
        look: Callable[[], Overview],
        *,
        is_ready: Callable[[], bool],
        is_alone: bool,
    ) -> None:
        self._tally, self._latencies, self._look, self._is_ready = tally, latencies, look, is_ready
        self._is_alone = is_alone

    def collect(self) -> Iterator[Metric]:
        """All families; called by prometheus_client."""
        if self._is_alone:
            yield BUILD_INFO.by({own_version(): 1})
        yield READY.alone(self._is_ready())
        yield from self._told()
        yield from self._standing()

    def _told(self) -> Iterator[Metric]:
        counts = self._tally.counts()
        yield TOLD.by({name: one.told for name, one in counts.items()})
        yield MESSAGES.by({name: one.messages for name, one in counts.items()})
        yield FOLDED.by({name: one.folded for name, one in counts.items()})
        yield FAILURES.by({name: one.failed for name, one in counts.items()})
        yield RETRIES.by({name: one.retried for name, one in counts.items()})
        yield DEAD_LETTERS.by({name: one.dead for name, one in counts.items()})
        seen = {name: one.latencies() for name, one in self._latencies.histograms.items()}
        yield LATENCY_SECONDS.of(
            ((name,), buckets(BUCKET_BOUNDS, one.at_most, one.total), one.sum) for name, one in seen.items()
        )

    def _standing(self) -> Iterator[Metric]:
        look = self._look()
        yield WAITING_ALERTS.by({name: one.waiting for name, one in look.standings.items()})
        yield WAITING_SECONDS.by({name: one.oldest_seconds(look.at) for name, one in look.standings.items()})
        yield FAILURES_IN_A_ROW.by({name: one.failures_in_a_row for name, one in look.standings.items()})
        yield DEAD_LETTERS_KEPT.alone(look.dead_letters if look.at else None)
        yield UNACKNOWLEDGED.alone(look.unacknowledged if look.at else None)
        yield ESCALATED.alone(look.escalated if look.at else None)
