"""The processes of one run: writers and receivers."""

from __future__ import annotations

from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from loadtests.scenarios.processes.child import Child, ProcessPlan, Said
from loadtests.scenarios.schedule import user_count
from loadtests.shared.giving_way import give_way

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadtests.scenarios.load import Load
    from loadtests.scenarios.target import Target

_EVENTS_PER_GENERATOR = 5000
GENERATOR = "generator"
# Nobody waits for what they do. Writes and the subscriber's clock are what the test is about.
_GIVING_WAY = frozenset({"stream_reader", "consumer"})


class Fleet:
    """Runs inside of `with`."""

    def __init__(self, target: Target, load: Load, clock_ahead_seconds: float) -> None:
        self._target = target
        self._plans = _plans(target, load, clock_ahead_seconds)
        self._said: SimpleQueue[Said] = SimpleQueue()
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        for name, plan in self._plans:
            child = Child(name, plan, self._target.environ, self._said)
            self._children.append(child)
            if name in _GIVING_WAY:
                give_way(child.pid)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def __len__(self) -> int:
        return len(self._plans)

    @property
    def generators(self) -> int:
        """How many of them write."""
        return sum(name == GENERATOR for name, _ in self._plans)

    @property
    def pids(self) -> dict[str, int]:
        """Their process ids, by name."""
        return {child.name: child.pid for child in self._children}

    def said(self, within_seconds: float) -> Iterator[Said]:
        """What they have said since the last time; waits for the first of it."""
        try:
            yield self._said.get(timeout=within_seconds) if within_seconds else self._said.get_nowait()
            while True:
                yield self._said.get_nowait()
        except Empty:
            return

    def tell_all(self, order: Mapping[str, Any]) -> None:
        """Give an order to each; to the first generator last, as it counts what the others report."""
        for child in reversed(self._children):
            child.send(order)

    def tell_locust(self, order: Mapping[str, Any]) -> None:
        """Give an order to the first generator, whose statistics hold everything."""
        self._children[0].send(order)

    def check(self) -> None:
        """Raise RtpError where one has ended before its time."""
        for child in self._children:
            child.check()

    def end(self) -> None:
        """Wait until all have ended."""
        for child in self._children:
            child.end()


def _plans(target: Target, load: Load, clock_ahead_seconds: float) -> list[tuple[str, ProcessPlan]]:
    settings = target.settings
    plan = ProcessPlan(load.scenario.name, load.rate, load.total_seconds, settings, clock_ahead_seconds)
    parts = max(1, min(user_count(load.scenario, load.rate), round(load.rate / _EVENTS_PER_GENERATOR)))
    if load.scenario.rows_per_write > 1:
        parts = 1
    first = replace(plan, parts=parts, web_port=load.web_port, csv_prefix=load.csv_prefix)
    others = (replace(plan, part=part, parts=parts) for part in range(1, parts))
    plans = [(GENERATOR, one) for one in (first, *others)]
    if settings.redis.url:
        plans += [(name, plan) for name in ("subscriber", "stream_reader", "cache_reader")]
    if settings.sqs.queue:
        plans.append(("consumer", plan))
    return plans
