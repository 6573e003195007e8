"""What rtp is doing, as one frozen picture per interval: for people, and as a JSON line for scripts."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from rtp_client.event import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.leading.election import LeaderStatus
    from core.processor.delivery import Delivery
    from core.processor.histogram import Latencies
    from core.processor.metrics import SinkMetrics
    from core.processor.pipeline import Pipeline
    from core.services.circuit import CircuitStatus
    from core.trouble import Trouble


@dataclass(frozen=True)
class SinkStatus:
    """One sink in one interval. Latencies are from the trigger's clock to the sink's answer, in milliseconds.

    `detection_ms` and `delivery_ms` count the interval's events by the upper bound of their latency: from the trigger's
    clock to when rtp had the event, and to the sink's answer.
    """

    sink: str
    state: str
    events_per_second: float
    delivered: int
    skipped: int
    lag_events: int
    lag_seconds: float
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    retries: int
    reconnects: int
    parked: int
    dead_letters: int
    last_error: str
    detection_ms: Mapping[str, int] = field(default_factory=dict)
    delivery_ms: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """All of rtp in one interval. `lead` says what this process is; `troubles` are what its parts cannot do.

    `unarmed` has a line for each watch that does not see all writes.
    """

    uptime_seconds: float
    is_asleep: bool
    lead: LeaderStatus
    sinks: Sequence[SinkStatus]
    unarmed: Sequence[str]
    circuits: Sequence[CircuitStatus]
    troubles: Sequence[Trouble] = ()

    def as_json(self) -> dict[str, Any]:
        """As a JSON-ready dictionary; `role` is leader, standby or starting."""
        lead = self.lead
        return {
            "uptime_seconds": self.uptime_seconds,
            "is_asleep": self.is_asleep,
            "role": lead.role,
            "role_since": format_time(lead.since),
            "epoch": lead.epoch,
            "leader": lead.leader,
            "lead_trouble": lead.trouble,
            "sinks": [asdict(sink) for sink in self.sinks],
            "unarmed": self.unarmed,
            "circuits": [asdict(circuit) for circuit in self.circuits],
            "troubles": [trouble.as_json() for trouble in self.troubles],
        }


class _Counted(NamedTuple):
    """What one sink's loop had counted at one moment."""

    delivered: int
    detection: Latencies
    delivery: Latencies


class StatusReporter:
    """Turns a pipeline's counters into a picture per interval."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._started = self._taken = time.monotonic()
        self._before = {delivery.sink.name: _count(delivery.metrics) for delivery in pipeline.deliveries}

    def take(self) -> Status:
        """The picture since the last one was taken."""
        now = time.monotonic()
        elapsed = max(now - self._taken, 1e-6)
        self._taken = now
        return Status(
            uptime_seconds=round(now - self._started, 1),
            is_asleep=self._pipeline.is_asleep,
            lead=self._pipeline.election.status(),
            sinks=[self._sink_status(delivery, elapsed) for delivery in self._pipeline.deliveries],
            unarmed=[str(watch) for watch in self._pipeline.arming.watches if not watch.is_armed],
            circuits=[circuit.status() for circuit in self._pipeline.circuits],
            troubles=self._pipeline.troubles.current(),
        )

    def _sink_status(self, delivery: Delivery, elapsed: float) -> SinkStatus:
        metrics, name = delivery.metrics, delivery.sink.name
        before, now = self._before[name], _count(metrics)
        self._before[name] = now
        recent = now.delivery.since(before.delivery)
        lag_events, lag_seconds, _ = self._pipeline.lag(delivery)
        return SinkStatus(
            sink=name,
            state=metrics.state,
            events_per_second=round((now.delivered - before.delivered) / elapsed, 1),
            delivered=now.delivered,
            skipped=metrics.skipped,
            lag_events=lag_events,
            lag_seconds=round(lag_seconds, 3),
            p50_ms=_ms(recent.percentile(0.50)),
            p99_ms=_ms(recent.percentile(0.99)),
            max_ms=_ms(now.delivery.max if now.delivery.total else None),
            retries=metrics.retries,
            reconnects=metrics.reconnects,
            parked=metrics.parked,
            dead_letters=metrics.dead_letters,
            last_error=metrics.last_error,
            detection_ms=now.detection.since(before.detection).by_upper_bound_ms(),
            delivery_ms=recent.by_upper_bound_ms(),
        )


def _count(metrics: SinkMetrics) -> _Counted:
    return _Counted(metrics.delivered, metrics.detection.latencies(), metrics.delivery.latencies())


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
