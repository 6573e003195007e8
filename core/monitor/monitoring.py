"""The monitor of one pipeline and its HTTP server, as one thing to start and stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.emf import emf_log
from core.monitor.answers import Answers
from core.monitor.cache_reads import CacheReads
from core.monitor.collector import PipelineCollector
from core.monitor.figures import PipelineFigures
from core.monitor.http import MonitorServer
from core.monitor.monitor import Monitor
from core.processor.build import postgres_server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prometheus_client.registry import Collector

    from core.problem import Problem
    from core.processor.pipeline import Pipeline
    from core.settings.models import Settings


class Monitoring:
    """The monitor, and the HTTP server where the settings ask for one.

    The server's port is taken at once; raises SettingsError where that fails. `start` it after the pipeline, and `stop`
    it after the pipeline has ended. `write` takes the lines of metrics for CloudWatch, where the settings ask for some;
    `beside` has metrics of what runs in the same process.
    """

    def __init__(
        self,
        settings: Settings,
        pipeline: Pipeline,
        *,
        on_problem: Callable[[Problem], None] = lambda _: None,
        write: Callable[[str], None] = lambda _: None,
        beside: Sequence[Collector] = (),
    ) -> None:
        self.monitor = Monitor(
            postgres_server(settings),
            pipeline,
            CacheReads(settings.redis.url) if settings.redis.url else None,
            stalled_after_seconds=settings.http.stalled_after_seconds,
            is_ready_unarmed=settings.triggers.unarmed == "warn",
            figures=PipelineFigures(pipeline, log) if (log := emf_log(settings.emf, write)) else None,
            on_problem=on_problem,
        )
        collector = PipelineCollector(pipeline, self.monitor)
        self._server = (
            MonitorServer(settings.http.listen, Answers(self.monitor, collector, *beside))
            if settings.http.listen
            else None
        )

    @property
    def url(self) -> str | None:
        """Where the server listens; None without one."""
        return self._server.url if self._server else None

    def start(self) -> None:
        self.monitor.start()
        if self._server:
            self._server.start()

    def stop(self) -> None:
        if self._server:
            self._server.stop()
        self.monitor.stop()
