"""What `/metrics` shows of `rtp notify`: its own counters, read at each scrape, and how Redis has each destination."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from core.monitor.families import buckets, counter, gauge, gauge_of
from core.notify.answer import Accepted
from core.own_version import own_version
from core.processor.histogram import BUCKET_BOUNDS, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client.core import Metric

    from core.notify.figures import NotifyTally
    from core.notify.outcome import MessageOutcome
    from core.notify.overview import Overview


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
            yield gauge("rtp_build_info", "The rtp that runs.", [((own_version(),), 1)], ["version"])
        yield gauge("rtp_notify_ready", "1 where /readyz answers 200.", [((), self._is_ready())])
        yield from self._told()
        yield from self._standing()

    def _told(self) -> Iterator[Metric]:
        counts = self._tally.counts()
        for name, counted, meaning in (
            ("rtp_notify_told", "told", "Alerts that a destination has."),
            ("rtp_notify_messages", "messages", "Messages that it has."),
            ("rtp_notify_folded", "folded", "Alerts that came in another's message."),
            ("rtp_notify_failures", "failed", "Messages that it did not take."),
            ("rtp_notify_retries", "retried", "Alerts of these that were to be told again."),
            ("rtp_notify_dead_letters", "dead", "Alerts that can never be told."),
        ):
            values = [((destination,), getattr(count, counted)) for destination, count in counts.items()]
            yield counter(name, meaning, values, ["destination"])
        family = HistogramMetricFamily(
            "rtp_notify_latency_seconds", "From an event's detection until a service had it.", labels=["destination"]
        )
        for destination, histogram in self._latencies.histograms.items():
            seen = histogram.latencies()
            family.add_metric([destination], buckets(BUCKET_BOUNDS, seen.at_most, seen.total), seen.sum)
        yield family

    def _standing(self) -> Iterator[Metric]:
        look = self._look()
        for name, meaning, values in (
            (
                "rtp_notify_waiting_alerts",
                "Alerts that a destination has not got yet.",
                {name: one.waiting for name, one in look.standings.items()},
            ),
            (
                "rtp_notify_waiting_seconds",
                "How long the oldest of them waits.",
                {name: one.oldest_seconds(look.at) for name, one in look.standings.items()},
            ),
            (
                "rtp_notify_failures_in_a_row",
                "Messages that a destination has not taken, in a row; 0: it takes them.",
                {name: one.failures_in_a_row for name, one in look.standings.items()},
            ),
        ):
            yield gauge_of(name, meaning, values, "destination")
        for name, meaning, value in (
            ("rtp_notify_dead_letters_kept", "Dead letters of rtp notify that wait for somebody.", look.dead_letters),
            ("rtp_notify_unacknowledged_alerts", "Alerts that somebody is to acknowledge.", look.unacknowledged),
        ):
            yield gauge(name, meaning, [((), value)] if look.at else [])
        escalated = [((), look.escalated)] if look.at else []
        yield counter("rtp_notify_escalated", "Alerts that others were told as nobody acknowledged them.", escalated)
