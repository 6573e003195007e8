"""A run: each fault alone, then faults at random, some of them two at a time; then the account of every event."""

from __future__ import annotations

import math
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtests.faults.catalogue import FAULTS, wipe_redis
from loadtests.faults.report import Report
from loadtests.faults.world import Stuck, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadtests.faults.disk import Disk

_SHARE_OF_PAIRS = 0.25
_RECOVERY_DEADLINE_SECONDS = 90.0
_END_DEADLINE_SECONDS = 120.0
_REBUILD_SECONDS = 15.0
_CALM_SECONDS = 0.5
_MOST_PROBLEMS = 10


@dataclass(frozen=True)
class Plan:
    """How much to do: for so long, or so many faults; `events` spreads that many over the faults."""

    seed: int
    seconds: float
    faults: int | None
    events: int | None
    rate: float
    only: Sequence[str]
    minutes: float = math.inf


def run(plan: Plan, disk: Disk, say: Callable[[str], None]) -> Report:
    """All of it. Takes as long as the plan says, and then as long as the last recovery."""
    report = Report(plan.seed)
    started = time.monotonic()
    with World(seed=plan.seed, rate=plan.rate, disk=disk) as world:
        _Run(world, plan, report, say).all()
    report.seconds = time.monotonic() - started
    return report


class _Run:
    def __init__(self, world: World, plan: Plan, report: Report, say: Callable[[str], None]) -> None:
        self._world = world
        self._plan = plan
        self._report = report
        self._say = say
        self._rng = random.Random(f"{plan.seed}-faults")
        self._names = list(plan.only or FAULTS)
        for name in list(self._names):
            if why := FAULTS[name].missing(world):
                report.skipped[name] = why
                self._names.remove(name)
                say(f"left out: {name}: {why}")

    def all(self) -> None:
        self._allow_events()
        self._recover(("start",), time.monotonic())
        self._inject_all()
        self._settle()

    def _inject_all(self) -> None:
        started = time.monotonic()
        deadline = started + self._plan.seconds
        alone = [(name,) for name in self._names]
        while self._names and len(self._report.problems) < _MOST_PROBLEMS:
            if self._plan.faults is None:
                is_over = time.monotonic() > deadline
            else:
                is_over = self._report.injected >= self._plan.faults
            if is_over:
                return
            if time.monotonic() - started > self._plan.minutes * 60:
                self._report.problems.append(
                    f"only {self._report.injected} faults within {self._plan.minutes:g} minutes"
                )
                return
            self._inject(alone.pop(0) if alone else self._drawn())

    def _drawn(self) -> tuple[str, ...]:
        weights = [FAULTS[name].weight for name in self._names]
        first, second = self._rng.choices(self._names, weights, k=2)
        is_pair = self._rng.random() < _SHARE_OF_PAIRS and FAULTS[first].where != FAULTS[second].where
        return (first, second) if is_pair else (first,)

    def _inject(self, names: tuple[str, ...]) -> None:
        self._allow_events()
        time.sleep(self._rng.uniform(0, _CALM_SECONDS))  # no event to await: the instant is the point
        ends = []
        for name in names:
            low, high = FAULTS[name].hold
            try:
                ends.append(FAULTS[name].begin(self._world))
            except ProcessLookupError:  # the session of rtp that was to be killed has ended by itself
                continue
            except Exception as error:  # noqa: BLE001 - with two at a time, one may be in the other's way
                self._say(f"{name} could not begin: {' '.join(str(error).split())[:150]}")
                continue
            self._report.note_fault(name)
            time.sleep(self._rng.uniform(low, high))
        for end in ends:
            end()
        self._recover(names, time.monotonic())

    def _recover(self, names: tuple[str, ...], healed_at: float) -> None:
        try:
            with self._world.workload.pace.eased():
                recovery = self._world.wait_for_recovery(healed_at, _RECOVERY_DEADLINE_SECONDS)
        except Stuck as stuck:
            self._report.problems.append(f"after {'+'.join(names)}: not recovered: {stuck}")
            self._say(self._report.problems[-1])
            return
        if names != ("start",):
            self._report.note_recovery("+".join(names) if len(names) == 1 else "two at a time", recovery)
        stream, accepted = self._world.stream.tally, self._world.alerts.accepted
        bad = stream.reordered + stream.phantoms + accepted.reordered + accepted.phantoms
        self._say(
            f"[{self._report.injected:>3}] {'+'.join(names):<40} first {recovery.first_seconds:6.2f} s, "
            f"all {recovery.all_seconds:6.2f} s; {stream.events:>9,} events" + (f"; {bad} WRONG" if bad else "")
        )

    def _allow_events(self) -> None:
        """With a number of events, each fault lets its share be written; without, writers only keep to their rate."""
        if self._plan.events is None:
            return
        faults = self._plan.faults or max(1, int(self._plan.seconds / 3))
        share = min(1.0, (self._report.injected + 1) / faults)
        pace = self._world.workload.pace
        while not pace.is_exhausted and pace.has_budget:
            time.sleep(0.01)
        pace.allow(int(self._plan.events * share))

    def _settle(self) -> None:
        world, report = self._world, self._report
        self._write_the_rest()
        world.workload.stop()
        with suppress(Stuck):
            world.wait_for_recovery(time.monotonic(), _END_DEADLINE_SECONDS)
        final = world.newest()
        self._await_consumer()
        report.events = _events(final)
        report.rolled_back = world.workload.rolled_back
        if report.events < world.workload.acknowledged:
            report.problems.append(
                f"PostgreSQL acknowledged {world.workload.acknowledged} steps and holds {report.events}"
            )
        report.cache_wrong = world.wrong_in_cache(final)
        for tally in (world.stream.tally, world.alerts.accepted, world.alerts.received):
            report.add_sink(tally, final)
        report.unreceived, report.lost_by_endpoint = world.alerts.waiting, world.alerts.lost_by_endpoint
        report.dead_letters = int(world.ask("dead_letters")[0])
        errors, newest = world.ask("trigger_errors")
        report.trigger_errors = int(errors)
        if errors:
            self._say(f"trigger errors: {errors}, such as {newest}")
        if "redis-wiped" in self._names and report.is_clean:
            self._look_at_rebuilding(final)
        report.problems += world.unexpected_ends()
        report.rtp_starts = sum(run.starts for run in world.runs)
        if not report.is_clean:
            self._say(world.last_words())

    def _write_the_rest(self) -> None:
        """What was rolled back, or lost with its connection, is made up for."""
        pace, wanted = self._world.workload.pace, self._plan.events
        while wanted is not None and not self._report.problems:
            if (short := wanted - _events(self._world.newest())) <= 0:
                return
            pace.allow(pace.taken + short)
            while not pace.is_exhausted:
                time.sleep(0.01)

    def _await_consumer(self) -> None:
        deadline = time.monotonic() + _END_DEADLINE_SECONDS
        while self._world.alerts.waiting and time.monotonic() < deadline:
            time.sleep(0.01)

    def _look_at_rebuilding(self, final: dict[str, int]) -> None:
        """With no writer left, only rtp can fill an empty Redis again."""
        wipe_redis(self._world)()
        started = time.monotonic()
        while wrong := self._world.wrong_in_cache(final):
            if time.monotonic() - started > _REBUILD_SECONDS:
                self._report.cache_wrong = wrong
                self._report.problems.append(f"the cache was not rebuilt: {len(wrong)} of {len(final)} entries missing")
                return
            time.sleep(0.02)
        self._report.cache_rebuilt_seconds = round(time.monotonic() - started, 3)


def _events(newest: Mapping[str, int]) -> int:
    return sum(value - 1 for value in newest.values())
