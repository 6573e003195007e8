"""Watching `rtp run --source dynamodb` from outside: whether its loop turns, and what it cannot do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.monitor.answers import Answers
from core.monitor.http import MonitorServer
from core.monitor.lasting import LASTING_SECONDS
from core.monitor.progress import Hindrance
from core.monitor.stream_collector import StreamCollector
from core.services.circuit import CircuitState
from core.trouble import now
from rtp_client.event import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client.registry import Collector

    from core.handler.poller import StreamPoller
    from core.services.circuit import CircuitBreaker
    from core.settings.models import Settings

_STUCK_SECONDS = 300.0
"""Far longer than the slowest batch, all its time limits together, or an open circuit's pause."""


class StreamMonitor:
    """Answers /healthz, /readyz and /metrics where the settings ask for it. The loop says `turned` at each turn.

    The server's port is taken at once; raises SettingsError where that fails.
    """

    role = "reader"

    def __init__(
        self,
        settings: Settings,
        poller: StreamPoller,
        circuit: CircuitBreaker,
        *,
        clock: Callable[[], float] = time.monotonic,
        beside: Sequence[Collector] = (),
    ) -> None:
        self._poller = poller
        self._circuit = circuit
        self._stalled_after_seconds = settings.http.stalled_after_seconds
        self._clock = clock
        self._turned_at = clock()
        self._has_turned = False
        collector = StreamCollector(settings, poller, circuit, is_ready=lambda: not self.hindrances())
        listen = settings.http.listen
        self._server = MonitorServer(listen, Answers(self, collector, *beside)) if listen else None

    @property
    def url(self) -> str | None:
        """Where the server listens; None without one."""
        return self._server.url if self._server else None

    def start(self) -> None:
        if self._server:
            self._server.start()

    def stop(self) -> None:
        if self._server:
            self._server.stop()

    def turned(self) -> None:
        """The loop has read once from all that can be read."""
        self._turned_at, self._has_turned = self._clock(), True

    def hindrances(self) -> list[Hindrance]:
        """Why rtp is not ready: a circuit is open, a table, shard or queue fails for some time, the loop is still."""
        return [*self._starting(), *self._away(), *self._failing(), *self._stalled()]

    def warnings(self) -> list[Hindrance]:
        return []

    def threads(self) -> dict[str, bool]:
        """The loop is alive while it turns, or waits for a service that is away."""
        is_turning = self._clock() - self._turned_at < _STUCK_SECONDS
        return {"streams": is_turning or not self._circuit.is_closed}

    def _starting(self) -> Iterator[Hindrance]:
        if not self._has_turned and self._circuit.is_closed:
            yield Hindrance("starting", "streams", "nothing has been read so far")

    def _away(self) -> Iterator[Hindrance]:
        status = self._circuit.status()
        if status.state is not CircuitState.CLOSED:
            yield Hindrance(f"circuit {status.state}", status.service, status.last_error)

    def _failing(self) -> Iterator[Hindrance]:
        at = now().timestamp()
        for trouble in self._poller.troubles.current():
            if trouble.since.timestamp() + LASTING_SECONDS <= at:
                detail = f"{trouble.cause} ({trouble.failures:,} times)"
                yield Hindrance("failing", trouble.part, detail, format_time(trouble.since))

    def _stalled(self) -> Iterator[Hindrance]:
        still_seconds = self._clock() - self._turned_at
        if self._has_turned and still_seconds >= self._stalled_after_seconds and self._circuit.is_closed:
            yield Hindrance("stalled", "streams", f"nothing was read in the last {still_seconds:,.1f} s")
