"""What CloudWatch is told of a running `rtp run`, once a minute."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from core.emf import Figure
from core.services.circuit import CircuitState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.emf import EmfLog
    from core.monitor.facts import DatabaseFacts
    from core.processor.pipeline import Pipeline


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
        yield Figure("Leaders", int(leads))
        yield Figure("Ready", int(is_ready))
        if not leads:
            return
        yield Figure("UnarmedWatches", sum(not watch.is_armed for watch in pipeline.arming.watches))
        yield Figure(
            "SamplesWaitingSeconds", max((one.seconds for one in facts.waiting.values()), default=0), "Seconds"
        )
        for circuit in (circuit.status() for circuit in pipeline.circuits):
            is_open = circuit.state is not CircuitState.CLOSED
            yield Figure("OpenCircuits", int(is_open), dimensions=(("Service", circuit.service),))
        for delivery in pipeline.deliveries:
            name, (events, seconds, _) = delivery.sink.name, pipeline.lag(delivery)
            sink = (("Sink", name),)
            yield Figure("SinkLagEvents", events, dimensions=sink)
            yield Figure("SinkLagSeconds", seconds, "Seconds", sink)
            yield Figure("DeadLettersKept", facts.dead_letters.get(name, 0), dimensions=sink)
            yield Figure("Delivered", delivery.metrics.delivered - self._delivered[name], dimensions=sink)
            self._delivered[name] = delivery.metrics.delivered
