"""What CloudWatch is told of a running `rtp run`, once a minute."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from core.emf import CloudWatchMetric
from core.services.circuit import CircuitState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.emf import EmfLog, Figure
    from core.monitor.facts import DatabaseFacts
    from core.processor.pipeline import Pipeline

LEADERS = CloudWatchMetric(
    "Leaders",
    "1 from who leads, 0 from who stands by, which tells nothing else but Ready. Below 1, or missing: nothing is"
    " delivered.",
)
READY = CloudWatchMetric("Ready", "1 where /readyz answers 200.")
UNARMED_WATCHES = CloudWatchMetric("UnarmedWatches", "Watches that miss writes.")
SAMPLES_WAITING_SECONDS = CloudWatchMetric(
    "SamplesWaitingSeconds", "For how long the oldest sample waits to be judged.", unit="Seconds"
)
OPEN_CIRCUITS = CloudWatchMetric("OpenCircuits", "1 while rtp leaves the service alone.", "Service")
SINK_LAG_EVENTS = CloudWatchMetric("SinkLagEvents", "As rtp_sink_lag_events.", "Sink")
SINK_LAG_SECONDS = CloudWatchMetric("SinkLagSeconds", "As rtp_sink_lag_seconds.", "Sink", "Seconds")
DEAD_LETTERS_KEPT = CloudWatchMetric("DeadLettersKept", "Dead letters in PostgreSQL that wait for somebody.", "Sink")
DELIVERED = CloudWatchMetric("Delivered", "Events that the sink has taken since the last line.", "Sink")


class PipelineFigures:
    """Notes a pipeline's figures where it is time. One that stands by tells only that: the leader tells the rest."""

    def __init__(self, pipeline: Pipeline, log: EmfLog) -> None:
        self._pipeline = pipeline
        self._log = log
        self._delivered = Counter[str]()

    def note_when_due(self, facts: DatabaseFacts, *, is_ready: bool) -> None:
        """Write the figures once the interval is over."""
        if self._log.is_due:
            self._log.note(self._figures(facts, is_ready=is_ready))

    def _figures(self, facts: DatabaseFacts, *, is_ready: bool) -> Iterator[Figure]:
        pipeline = self._pipeline
        leads = pipeline.election.status().role == "leader"
        yield LEADERS.of(int(leads))
        yield READY.of(int(is_ready))
        if not leads:
            return
        yield UNARMED_WATCHES.of(sum(not watch.is_armed for watch in pipeline.arming.watches))
        yield SAMPLES_WAITING_SECONDS.of(max((one.seconds for one in facts.waiting.values()), default=0))
        for circuit in (circuit.status() for circuit in pipeline.circuits):
            yield OPEN_CIRCUITS.of(int(circuit.state is not CircuitState.CLOSED), circuit.service)
        for delivery in pipeline.deliveries:
            sink, (events, seconds, _) = delivery.sink.name, pipeline.lag(delivery)
            yield SINK_LAG_EVENTS.of(events, sink)
            yield SINK_LAG_SECONDS.of(seconds, sink)
            yield DEAD_LETTERS_KEPT.of(facts.dead_letters.get(sink, 0), sink)
            yield DELIVERED.of(delivery.metrics.delivered - self._delivered[sink], sink)
            self._delivered[sink] = delivery.metrics.delivered
