"""What `/metrics` shows: the pipeline's own counters, read at each scrape, and the last figures from the database.

The loops count for themselves; a scrape reads their counters and never stands in an event's way.
"""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client.registry import Collector

from core.monitor import run_families as of
from core.monitor.families import buckets
from core.own_version import own_version
from core.processor.histogram import BUCKET_BOUNDS
from core.services.circuit import CircuitState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from core.monitor.families import Distribution
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
        yield of.BUILD_INFO.by({own_version(): 1})
        yield of.READY.alone(not self._monitor.hindrances())
        yield of.ASLEEP.alone(self._pipeline.is_asleep)
        lead = self._pipeline.election.status()
        yield of.LEADER.alone(lead.role == "leader")
        yield of.LEADER_EPOCH.alone(lead.epoch)

    def _troubles(self) -> Iterator[Metric]:
        at = time.time()
        seconds = dict.fromkeys(((one.part, one.circuit.service) for one in self._pipeline.recoveries), 0.0)
        failures = dict(seconds)
        for trouble in self._pipeline.troubles.current():
            seconds[trouble.part, trouble.service] = at - trouble.since.timestamp()
            failures[trouble.part, trouble.service] = trouble.failures
        yield of.TROUBLE_SECONDS.of(seconds.items())
        yield of.TROUBLE_FAILURES.of(failures.items())

    def _sinks(self) -> Iterator[Metric]:
        deliveries = {delivery.sink.name: delivery for delivery in self._pipeline.deliveries}
        yield of.EVENTS_DELIVERED.of(
            ((sink, *labels), n) for sink, one in deliveries.items() for labels, n in dict(one.metrics.events).items()
        )
        lags = {sink: self._pipeline.lag(one) for sink, one in deliveries.items()}
        for index, lag in enumerate((of.SINK_LAG_EVENTS, of.SINK_LAG_SECONDS, of.SINK_LAG_BYTES)):
            yield lag.by({sink: figures[index] for sink, figures in lags.items()})
        yield of.PARKED_EVENTS.by({sink: one.metrics.parked for sink, one in deliveries.items()})
        yield of.RETRIES.by({sink: one.metrics.retries for sink, one in deliveries.items()})
        yield of.RECONNECTS.by({sink: one.metrics.reconnects for sink, one in deliveries.items()})
        yield of.DEAD_LETTERS.by({sink: one.metrics.dead_letters for sink, one in deliveries.items()})
        yield of.SKIPPED.by({sink: one.metrics.skipped for sink, one in deliveries.items()})

    def _latencies(self) -> Iterator[Metric]:
        latencies: list[Distribution] = []
        batches: list[Distribution] = []
        for delivery in self._pipeline.deliveries:
            name, metrics = delivery.sink.name, delivery.metrics
            for stage in ("detection", "processing", "delivery"):
                seen = getattr(metrics, stage).latencies()
                latencies.append(((name, stage), buckets(BUCKET_BOUNDS, seen.at_most, seen.total), seen.sum))
            sizes = Counter(dict(metrics.batch_sizes))
            counted = buckets(_BATCH_BOUNDS, partial(_at_most, sizes), sizes.total())
            batches.append(((name,), counted, _events(sizes)))
        yield of.LATENCY_SECONDS.of(latencies)
        yield of.BATCH_EVENTS.of(batches)

    def _circuits(self) -> Iterator[Metric]:
        circuits = [circuit.status() for circuit in self._pipeline.circuits]
        yield of.CIRCUIT_STATE.of(((c.service, state), c.state is state) for c in circuits for state in CircuitState)
        yield of.CIRCUIT_OPENED.by({c.service: c.opened for c in circuits})

    def _judging(self) -> Iterator[Metric]:
        facts = self._monitor.facts
        yield of.SAMPLES_JUDGED.alone(self._pipeline.judge.judged)
        yield of.SAMPLES_WAITING.by({watch: waiting.samples for watch, waiting in facts.waiting.items()})
        yield of.SAMPLES_WAITING_SECONDS.by({watch: waiting.seconds for watch, waiting in facts.waiting.items()})
        yield of.SAMPLES_WAITING_BYTES.by({watch: waiting.bytes for watch, waiting in facts.waiting.items()})
        yield of.SET_ASIDE.of(facts.set_aside.items())
        yield of.QUARANTINED.by(facts.quarantined)

    def _triggers(self) -> Iterator[Metric]:
        facts = self._monitor.facts
        yield of.WATCH_ARMED.by({watch.watch: watch.is_armed for watch in self._pipeline.arming.watches})
        yield of.TRIGGER_ERRORS.by(facts.trigger_errors)
        costs = facts.trigger_costs
        yield of.TRIGGER_STATEMENTS.by({watch: cost.statements for watch, cost in costs.items()})
        yield of.TRIGGER_ROWS.by({watch: cost.rows for watch, cost in costs.items()})
        yield of.TRIGGER_EVENTS.by({watch: cost.events for watch, cost in costs.items()})
        yield of.TRIGGER_SECONDS.by({watch: cost.seconds for watch, cost in costs.items()})
        yield of.TRIGGER_LONGEST_SECONDS.by({watch: cost.longest_seconds for watch, cost in costs.items()})

    def _log(self) -> Iterator[Metric]:
        facts, housekeeping = self._monitor.facts, self._pipeline.housekeeping
        kept = dict.fromkeys((d.sink.name for d in self._pipeline.deliveries), 0) if facts.taken_at else {}
        yield of.DEAD_LETTERS_KEPT.by({**kept, **facts.dead_letters})
        yield of.DEAD_LETTERS_FORWARDED.alone(self._pipeline.dlq_copier.copied)
        yield of.LOG_BYTES.alone(facts.log_bytes)
        yield of.SAMPLE_LOG_BYTES.alone(facts.sample_log_bytes)
        yield of.LOG_SLOTS_EMPTIED.alone(housekeeping.rotation.emptied)
        yield of.FACTS_AGE_SECONDS.alone(time.time() - facts.taken_at if facts.taken_at else None)

    def _cache(self) -> Iterator[Metric]:
        if self._monitor.cache_reads is not None:
            yield of.CACHE_READS.of(self._monitor.cache_reads.counts.items())
        if (rebuilder := self._pipeline.cache_rebuilder) is not None:
            yield of.CACHE_REBUILDS.alone(rebuilder.rebuilds)


def _at_most(sizes: Counter[int], most: float) -> int:
    return sum(times for size, times in sizes.items() if size <= most)


def _events(sizes: Counter[int]) -> int:
    return sum(size * times for size, times in sizes.items())
