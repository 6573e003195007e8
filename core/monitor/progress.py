"""Does the pipeline move where there is work? The question behind /readyz."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.problem import counted
from core.processor.metrics import STANDBY
from core.services.circuit import CircuitState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.monitor.facts import DatabaseFacts
    from core.processor.delivery import Delivery
    from core.processor.pipeline import Pipeline

REASONS = {
    "unarmed": "A watch misses writes.",
    "circuit open": "A service is away, and left alone.",
    "circuit half-open": "A service was away, and is being tried.",
    "unreachable": "PostgreSQL does not answer the monitor; of `rtp serve`, Redis's stream cannot be read.",
    "stalled": "There is work, events or samples, and nothing was done of it for `http.stalled_after_seconds`.",
    "failed": "A sink ended for good.",
    "starting": "It has not begun: it neither leads nor stands by, or has read nothing so far.",
    "standby": "Nobody leads, as a command keeps the lead. Where another rtp leads, a standby is ready.",
    "failing": "A part has not been able to do its work for 2 s: a queue, stream or statement is refused.",
}
"""Why `/readyz` says 503; docs/reference/http.md is written from it."""


@dataclass(frozen=True)
class Hindrance:
    """One reason why rtp is not ready; `since` when, as far as that is known."""

    reason: str
    subject: str
    detail: str
    since: str | None = None


@dataclass
class _Progress:
    settled: int = -1
    since: float = 0.0


class ProgressWatch:
    """Notes how long each sink has had work and not moved. Call `look` once a second or so."""

    def __init__(
        self, pipeline: Pipeline, *, stalled_after_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pipeline = pipeline
        self._stalled_after_seconds = stalled_after_seconds
        self._clock = clock
        now = clock()
        self._progress = {delivery.sink.name: _Progress(since=now) for delivery in pipeline.deliveries}

    def look(self) -> None:
        """Note the sinks that have moved since the last look, or have nothing to do."""
        now = self._clock()
        for delivery in self._pipeline.deliveries:
            progress = self._progress[delivery.sink.name]
            settled = delivery.metrics.delivered + delivery.metrics.skipped + delivery.metrics.dead_letters
            if settled != progress.settled or not self._has_work(delivery):
                progress.settled, progress.since = settled, now

    def hindrances(self) -> list[Hindrance]:
        """Why rtp does not deliver; empty where it does."""
        return [*self._failure(), *self._circuits(), *self._stalled()]

    def _failure(self) -> Iterator[Hindrance]:
        if self._pipeline.failure is not None:
            yield Hindrance("failed", "pipeline", str(self._pipeline.failure))

    def _circuits(self) -> Iterator[Hindrance]:
        for circuit in (breaker.status() for breaker in self._pipeline.circuits):
            if circuit.state is not CircuitState.CLOSED:
                yield Hindrance(f"circuit {circuit.state}", circuit.service, circuit.last_error)

    def _stalled(self) -> Iterator[Hindrance]:
        now = self._clock()
        for delivery in self._pipeline.deliveries:
            name, still_seconds = delivery.sink.name, now - self._progress[delivery.sink.name].since
            if still_seconds >= self._stalled_after_seconds and self._has_work(delivery):
                events, seconds, _ = self._pipeline.lag(delivery)
                yield Hindrance(
                    "stalled",
                    name,
                    f"about {counted(events, 'event waits', 'events wait')}, the oldest for {seconds:,.1f} s,"
                    f" and none was delivered in the last {still_seconds:,.1f} s",
                )

    def _has_work(self, delivery: Delivery) -> bool:
        if delivery.metrics.state == STANDBY:  # the work is the leader's
            return False
        events, seconds, _ = self._pipeline.lag(delivery)
        return events > 0 or seconds > 0


class JudgingWatch:
    """Notes how long samples have waited while none was judged. Call `look` once a second or so."""

    def __init__(
        self, pipeline: Pipeline, *, stalled_after_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._pipeline = pipeline
        self._stalled_after_seconds = stalled_after_seconds
        self._clock = clock
        self._progress = _Progress(since=clock())

    def look(self, facts: DatabaseFacts) -> None:
        """Note whether samples were judged since the last look, or there is no need to."""
        judged = self._pipeline.judge.judged
        if judged != self._progress.settled or not self._has_work(facts):
            self._progress = _Progress(judged, self._clock())

    def hindrances(self, facts: DatabaseFacts) -> list[Hindrance]:
        """Why samples are not judged; empty where they are."""
        still_seconds = self._clock() - self._progress.since
        # What was so before the last sample was judged tells nothing.
        is_known = facts.taken_at > self._progress.since
        if still_seconds < self._stalled_after_seconds or not is_known or not self._has_work(facts):
            return []
        samples = sum(waiting.samples for waiting in facts.waiting.values())
        detail = (
            f"about {counted(samples, 'sample waits', 'samples wait')}, the oldest for {_longest(facts):,.1f} s,"
            f" and none was judged in the last {still_seconds:,.1f} s"
        )
        return [Hindrance("stalled", self._pipeline.judge.name, detail)]

    def _has_work(self, facts: DatabaseFacts) -> bool:
        leads = self._pipeline.election.status().role == "leader"
        return leads and _longest(facts) >= self._stalled_after_seconds


def _longest(facts: DatabaseFacts) -> float:
    """For how long the oldest sample waits."""
    return max((waiting.seconds for waiting in facts.waiting.values()), default=0.0)
