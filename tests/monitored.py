"""A pipeline in the test's own process, with its monitoring, and an HTTP client for it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from core.monitor.monitoring import Monitoring
from core.processor.build import build_pipeline
from core.settings.models import CircuitBreakerSettings, HttpSettings
from tests.eventually import eventually as eventually_within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.arming.rearming import Rearm
    from core.problem import Problem
    from core.processor.pipeline import Pipeline
    from core.settings.models import Settings

eventually = partial(eventually_within, within_seconds=40)
# The breaker does not open in the test of a sink that stands still, and opens at once where it is what is tested.
PATIENT = CircuitBreakerSettings(failures=1000)
HASTY = CircuitBreakerSettings(failures=1, open_seconds=0.2)


class Running:
    """A pipeline with its monitoring, and an HTTP client for it."""

    def __init__(self, pipeline: Pipeline, monitoring: Monitoring, problems: list[Problem], figures: list[str]) -> None:
        self.problems = problems
        self.figures = figures
        self.pipeline = pipeline
        self.monitoring = monitoring
        self.place = urlsplit(monitoring.url or "").netloc

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        client = http.client.HTTPConnection(self.place, timeout=10)
        try:
            client.request(method, path, headers=headers)
            answer = client.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            client.close()

    def ready(self) -> tuple[int, Any]:
        status, _, body = self.ask("/readyz")
        return status, json.loads(body)

    def told(self, part: str) -> str:
        """The first line with this in it, once it is told."""
        try:
            return eventually(lambda: next((str(p) for p in list(self.problems) if part in str(p)), ""))
        except AssertionError:
            raise AssertionError(f"nothing told of {part!r}: {list(map(str, self.problems))}") from None

    def reasons(self) -> list[dict[str, str]]:
        """Why it is not ready, once it is not."""
        eventually(lambda: self.ready()[0] == 503)
        reasons: list[dict[str, str]] = eventually(lambda: self.ready()[1]["reasons"])
        return reasons

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        _, _, body = self.ask("/metrics")
        families = text_string_to_metric_families(body.decode())
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}

    def figure(self, name: str, **dimensions: str) -> float | None:
        """What CloudWatch was told last of a metric."""
        lines = [
            line for line in map(json.loads, list(self.figures)) if name in line and dimensions.items() <= line.items()
        ]
        return lines[-1][name] if lines else None

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics().get((name, frozenset(labels.items())))


Start = Callable[..., Running]


@contextmanager
def monitored(
    settings: Settings,
    *,
    breaker: CircuitBreakerSettings = PATIENT,
    on_problem: Callable[[Problem], None] = lambda _: None,
    rearm: Rearm | None = None,
    **http_settings: Any,
) -> Iterator[Running]:
    """Run a pipeline with its monitoring; both end with the block."""
    run = {"retry_initial_seconds": 0.01, "retry_max_seconds": 0.05, "circuit_breaker": breaker}
    settings = settings.model_copy(
        update={
            "run": settings.run.model_copy(update=run),
            "redis": settings.redis.model_copy(update={"timeout_seconds": 0.2}),
            "http": HttpSettings(listen="127.0.0.1:0", **http_settings),
        }
    )
    problems: list[Problem] = []

    def note(problem: Problem) -> None:
        problems.append(problem)
        on_problem(problem)

    pipeline = build_pipeline(settings, on_problem=note, rearm=rearm)
    figures: list[str] = []
    monitoring = Monitoring(settings, pipeline, on_problem=note, write=figures.append)
    running = Running(pipeline, monitoring, problems, figures)
    pipeline.start()
    running.monitoring.start()
    try:
        yield running
    finally:
        pipeline.stop()
        running.monitoring.stop()
