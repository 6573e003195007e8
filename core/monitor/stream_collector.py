"""What `/metrics` shows of `rtp run --source dynamodb`: the poller's own counters, read at each scrape."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client.registry import Collector

from core.monitor.families import counter, gauge, gauge_of
from core.own_version import own_version
from core.services.circuit import CircuitState
from core.sinks.sqs.queues import sqs_destinations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from core.handler.poller import StreamPoller
    from core.services.circuit import CircuitBreaker
    from core.settings.models import Settings


class StreamCollector(Collector):
    """The families of the pipeline that reads PostgreSQL, where they apply, and what streams have besides."""

    def __init__(
        self, settings: Settings, poller: StreamPoller, circuit: CircuitBreaker, *, is_ready: Callable[[], bool]
    ) -> None:
        self._poller = poller
        self._circuit = circuit
        self._is_ready = is_ready
        self._sinks = {one.queue: one.sink for one in sqs_destinations(settings)}

    def collect(self) -> Iterator[Metric]:
        """All families; called by prometheus_client."""
        yield gauge("rtp_build_info", "The rtp that runs.", [((own_version(),), 1)], ["version"])
        yield gauge("rtp_ready", "1 where /readyz answers 200.", [((), self._is_ready())])
        yield from self._troubles()
        yield from self._circuits()
        yield from self._events()
        yield from self._streams()

    def _troubles(self) -> Iterator[Metric]:
        at, found = time.time(), self._poller.troubles.current()
        labels = ["part", "service"]
        seconds = [((one.part, one.service), at - one.since.timestamp()) for one in found]
        yield gauge(
            "rtp_trouble_seconds", "For how long a part of rtp cannot work with a service; 0: it can.", seconds, labels
        )
        failures = [((one.part, one.service), one.failures) for one in found]
        yield gauge("rtp_trouble_failures", "How often it has tried in vain since.", failures, labels)

    def _circuits(self) -> Iterator[Metric]:
        status = self._circuit.status()
        yield gauge(
            "rtp_circuit_state",
            "1 for the state that the service's circuit breaker is in.",
            [((status.service, state), status.state is state) for state in CircuitState],
            ["service", "state"],
        )
        opened = [((status.service,), status.opened)]
        yield counter("rtp_circuit_opened", "Times that the circuit breaker has opened.", opened, ["service"])

    def _events(self) -> Iterator[Metric]:
        delivered = dict(self._poller.tally.delivered)
        yield counter(
            "rtp_events_delivered",
            "Events that the sink has taken.",
            [(("redis", *labels), number) for labels, number in delivered.items()],
            ["sink", "kind", "reason", "severity"],
        )
        pending = {self._sinks.get(one.queue, f"sqs:{one.queue}"): one for one in self._poller.tally.pending}
        waiting = {sink: float(one.alerts) for sink, one in pending.items()}
        yield gauge_of("rtp_sink_lag_events", "Events that the sink has not got yet, about.", waiting, "sink")
        ages = {sink: time.time() - one.oldest_at.timestamp() for sink, one in pending.items()}
        yield gauge_of(
            "rtp_sink_lag_seconds", "How long the oldest event waits that the sink has not got yet.", ages, "sink"
        )
        letters = [(("streams",), self._poller.tally.dead_letters)]
        yield counter("rtp_dead_letters", "Events that the sink can never take.", letters, ["sink"])
        yield counter(
            "rtp_set_aside",
            "Rows that moved nothing: too far ahead (future), older than what is known (late), or rejected.",
            dict(self._poller.tally.set_aside).items(),
            ["watch", "why"],
        )

    def _streams(self) -> Iterator[Metric]:
        yield counter("rtp_stream_records", "Records of the streams that are done.", [((), self._poller.tally.records)])
        yield gauge_of(
            "rtp_stream_lag_seconds",
            "How old the newest record of a table's stream was when it was done, to the second; 0: all were read.",
            self._poller.lags(),
            "table",
        )
