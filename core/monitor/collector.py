"""What `/metrics` shows: the pipeline's own counters, read at each scrape, and the last figures from the database.

The loops count for themselves; a scrape reads their counters and never stands in an event's way.
"""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from core.monitor.families import buckets, counter, gauge, gauge_of
from core.own_version import own_version
from core.processor.histogram import BUCKET_BOUNDS
from core.services.circuit import CircuitState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from core.monitor.monitor import Monitor
    from core.processor.pipeline import Pipeline

_BATCH_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


class PipelineCollector(Collector):
    """Makes Prometheus's metric families anew for each scrape."""

    def __init__(self, pipeline: Pipeline, monitor: Monitor) -> None:
        self._pipeline = pipeline
        self._monitor = monitor

    def collect(self) -> Iterator[Metric]:
        """All families; called by prometheus_client."""
        yield from self._process()
        yield from self._troubles()
        yield from self._sinks()
        yield from self._latencies()
        yield from self._circuits()
        yield from self._judging()
        yield from self._triggers()
        yield from self._log()
        yield from self._cache()

    def _process(self) -> Iterator[Metric]:
        yield gauge("rtp_build_info", "The rtp that runs.", [((own_version(),), 1)], ["version"])
        ready = not self._monitor.hindrances()
        yield gauge("rtp_ready", "1 where /readyz answers 200.", [((), ready)])
        yield gauge(
            "rtp_asleep", "1 while rtp waits for a notification instead of polling.", [((), self._pipeline.is_asleep)]
        )
        lead = self._pipeline.election.status()
        yield gauge("rtp_leader", "1 where this rtp leads, 0 where it stands by.", [((), lead.role == "leader")])
        yield gauge("rtp_leader_epoch", "The newest epoch that this rtp knows of.", [((), lead.epoch)])

    def _troubles(self) -> Iterator[Metric]:
        at = time.time()
        seconds = dict.fromkeys(((one.part, one.circuit.service) for one in self._pipeline.recoveries), 0.0)
        failures = dict(seconds)
        for trouble in self._pipeline.troubles.current():
            seconds[trouble.part, trouble.service] = at - trouble.since.timestamp()
            failures[trouble.part, trouble.service] = trouble.failures
        for name, meaning, values in (
            (
                "rtp_trouble_seconds",
                "For how long a part of rtp cannot work with a service; 0: it can.",
                seconds,
            ),
            ("rtp_trouble_failures", "How often it has tried in vain since.", failures),
        ):
            yield gauge(name, meaning, values.items(), ["part", "service"])

    def _sinks(self) -> Iterator[Metric]:
        deliveries = self._pipeline.deliveries
        yield counter(
            "rtp_events_delivered",
            "Events that the sink has taken.",
            [((d.sink.name, *labels), n) for d in deliveries for labels, n in dict(d.metrics.events).items()],
            ["sink", "kind", "reason", "severity"],
        )
        lags = {d.sink.name: self._pipeline.lag(d) for d in deliveries}
        for index, (unit, meaning) in enumerate(
            (
                ("events", "Events that the sink has not got yet, about."),
                ("seconds", "How long the oldest event waits that the sink has not got yet."),
                ("bytes", "How much of the log waits for the sink, about."),
            )
        ):
            yield gauge(f"rtp_sink_lag_{unit}", meaning, [((s,), lag[index]) for s, lag in lags.items()], ["sink"])
        yield gauge(
            "rtp_parked_events",
            "Events that wait aside because the sink did not take them, or ones before them.",
            [((d.sink.name,), d.metrics.parked) for d in deliveries],
            ["sink"],
        )
        for name, meaning in (
            ("retries", "Times that the sink was tried again."),
            ("reconnects", "Times that the sink's loop lost its connection to the log."),
            ("dead_letters", "Events that the sink can never take."),
            ("skipped", "Events that the sink's routes do not match."),
        ):
            values = [((d.sink.name,), getattr(d.metrics, name)) for d in deliveries]
            yield counter(f"rtp_{name}", meaning, values, ["sink"])

    def _latencies(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "rtp_latency_seconds",
            "detection: trigger's clock to reader; processing: reader to the sink's answer; delivery: both together.",
            labels=["sink", "stage"],
        )
        batches = HistogramMetricFamily("rtp_batch_events", "Events in a batch.", labels=["sink"])
        for delivery in self._pipeline.deliveries:
            name, metrics = delivery.sink.name, delivery.metrics
            for stage in ("detection", "processing", "delivery"):
                seen = getattr(metrics, stage).latencies()
                family.add_metric([name, stage], buckets(BUCKET_BOUNDS, seen.at_most, seen.total), seen.sum)
            sizes = Counter(dict(metrics.batch_sizes))
            batches.add_metric([name], buckets(_BATCH_BOUNDS, partial(_at_most, sizes), sizes.total()), _events(sizes))
        yield family
        yield batches

    def _circuits(self) -> Iterator[Metric]:
        circuits = [circuit.status() for circuit in self._pipeline.circuits]
        yield gauge(
            "rtp_circuit_state",
            "1 for the state that the service's circuit breaker is in.",
            [((c.service, state), c.state is state) for c in circuits for state in CircuitState],
            ["service", "state"],
        )
        opened = [((c.service,), c.opened) for c in circuits]
        yield counter("rtp_circuit_opened", "Times that the circuit breaker has opened.", opened, ["service"])

    def _judging(self) -> Iterator[Metric]:
        facts = self._monitor.facts
        judged = self._pipeline.judge.judged
        yield counter("rtp_samples_judged", "Waiting samples that this process has judged.", [((), judged)])
        for name, figure, meaning in (
            ("rtp_samples_waiting", "samples", "Samples that wait for rtp run to judge them."),
            ("rtp_samples_waiting_seconds", "seconds", "How long the oldest of these samples waits."),
            ("rtp_samples_waiting_bytes", "bytes", "How much of the log of samples waits."),
        ):
            values = {watch: getattr(waiting, figure) for watch, waiting in facts.waiting.items()}
            yield gauge_of(name, meaning, values, "watch")
        meaning = "Rows that moved nothing: too far ahead (future), older than what is known (late), or rejected."
        yield counter("rtp_set_aside", meaning, facts.set_aside.items(), ["watch", "why"])
        yield gauge_of("rtp_quarantined", "Values that the glitch guard holds back.", facts.quarantined, "watch")

    def _triggers(self) -> Iterator[Metric]:
        facts = self._monitor.facts
        armed = [((watch.watch,), watch.is_armed) for watch in self._pipeline.arming.watches]
        yield gauge(
            "rtp_watch_armed", "1 where each write to the watch's table reaches its triggers.", armed, ["watch"]
        )
        errors = [((watch,), count) for watch, count in facts.trigger_errors.items()]
        yield counter("rtp_trigger_errors", "What triggers could not judge, ever.", errors, ["watch"])
        for name, meaning in (
            ("statements", "Statements that fired the watch's triggers."),
            ("rows", "Rows that they looked at."),
            ("events", "Events that they raised."),
            ("seconds", "Time that they took."),
            ("longest_seconds", "The longest time that one measured statement took."),
        ):
            costs = {watch: getattr(cost, name) for watch, cost in facts.trigger_costs.items()}
            yield gauge_of(f"rtp_trigger_{name}_last_hour", f"{meaning} Estimated, of the last hour.", costs, "watch")

    def _log(self) -> Iterator[Metric]:
        facts, housekeeping = self._monitor.facts, self._pipeline.housekeeping
        kept = dict.fromkeys((d.sink.name for d in self._pipeline.deliveries), 0) if facts.taken_at else {}
        kept |= facts.dead_letters
        yield gauge_of("rtp_dead_letters_kept", "Dead letters that wait for somebody.", kept, "sink")
        copied = [((), self._pipeline.dlq_copier.copied)]
        meaning = "Copies of dead letters that went to a dead letter queue of SQS."
        yield counter("rtp_dead_letters_forwarded", meaning, copied)
        for name, size, meaning in (
            ("rtp_log_bytes", facts.log_bytes, "What the log takes on disk, with its indexes."),
            (
                "rtp_sample_log_bytes",
                facts.sample_log_bytes,
                "What the log of samples takes on disk, with its indexes.",
            ),
        ):
            yield gauge(name, meaning, [] if size is None else [((), size)])
        yield counter(
            "rtp_log_slots_emptied", "Times that a third of the log was emptied.", [((), housekeeping.rotation.emptied)]
        )
        age = [((), time.time() - facts.taken_at)] if facts.taken_at else []
        yield gauge("rtp_facts_age_seconds", "How old the figures are that only the database knows.", age)

    def _cache(self) -> Iterator[Metric]:
        if self._monitor.cache_reads is not None:
            yield counter(
                "rtp_cache_reads",
                "Reads of the cache by all readers; a fallback was answered by the tables, as Redis did not.",
                self._monitor.cache_reads.counts.items(),
                ["kind", "outcome"],
            )
        rebuilder = self._pipeline.cache_rebuilder
        if rebuilder is not None:
            yield counter(
                "rtp_cache_rebuilds", "Times that the cache was filled from the database.", [((), rebuilder.rebuilds)]
            )


def _at_most(sizes: Counter[int], most: float) -> int:
    return sum(times for size, times in sizes.items() if size <= most)


def _events(sizes: Counter[int]) -> int:
    return sum(size * times for size, times in sizes.items())
