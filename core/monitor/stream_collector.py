"""What `/metrics` shows of `rtp run --source dynamodb`: the poller's own counters, read at each scrape."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client.registry import Collector

from core.monitor.families import counter, gauge
from core.monitor.run_families import (
    BUILD_INFO,
    CIRCUIT_OPENED,
    CIRCUIT_STATE,
    DEAD_LETTERS,
    EVENTS_DELIVERED,
    READY,
    SET_ASIDE,
    SINK_LAG_EVENTS,
    SINK_LAG_SECONDS,
    TROUBLE_FAILURES,
    TROUBLE_SECONDS,
)
from core.own_version import own_version
from core.services.circuit import CircuitState
from core.sinks.sqs.queues import sqs_destinations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from core.handler.poller import StreamPoller
    from core.services.circuit import CircuitBreaker
    from core.settings.models import Settings

STREAM_RECORDS = counter("rtp_stream_records_total", "Records of the streams that are done.")
STREAM_LAG_SECONDS = gauge(
    "rtp_stream_lag_seconds",
    "How old the newest record of a table's stream was when it was done, to the second; 0: all were read.",
    "table",
)


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
        yield BUILD_INFO.by({own_version(): 1})
        yield READY.alone(self._is_ready())
        yield from self._troubles()
        yield from self._circuits()
        yield from self._events()
        yield STREAM_RECORDS.alone(self._poller.tally.records)
        yield STREAM_LAG_SECONDS.by(self._poller.lags())

    def _troubles(self) -> Iterator[Metric]:
        at, found = time.time(), self._poller.troubles.current()
        yield TROUBLE_SECONDS.of(((one.part, one.service), at - one.since.timestamp()) for one in found)
        yield TROUBLE_FAILURES.of(((one.part, one.service), one.failures) for one in found)

    def _circuits(self) -> Iterator[Metric]:
        status = self._circuit.status()
        yield CIRCUIT_STATE.of(((status.service, state), status.state is state) for state in CircuitState)
        yield CIRCUIT_OPENED.by({status.service: status.opened})

    def _events(self) -> Iterator[Metric]:
        tally = self._poller.tally
        yield EVENTS_DELIVERED.of((("redis", *labels), number) for labels, number in dict(tally.delivered).items())
        pending = {self._sinks.get(one.queue, f"sqs:{one.queue}"): one for one in tally.pending}
        yield SINK_LAG_EVENTS.by({sink: one.alerts for sink, one in pending.items()})
        yield SINK_LAG_SECONDS.by({sink: time.time() - one.oldest_at.timestamp() for sink, one in pending.items()})
        yield DEAD_LETTERS.by({"streams": tally.dead_letters})
        yield SET_ASIDE.of(dict(tally.set_aside).items())
