"""A run: each fault alone, then faults at random, some of them two at a time; then the account of every event."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtests.faults.catalogue import FAULTS, wipe_redis
from loadtests.faults.recovery import wait_for_recovery
from loadtests.faults.report import PAIRS, FaultReport
from loadtests.faults.world import Stuck, World
from rtp_client.errors import one_line

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from loadtests.faults.disk import Disk

_SHARE_OF_PAIRS = 0.25
_RECOVERY_DEADLINE_SECONDS = 90.0
_END_DEADLINE_SECONDS = 120.0
_REBUILD_SECONDS = 15.0
_CALM_SECONDS = 0.5
_MOST_PROBLEMS = 10


@dataclass(frozen=True)
class FaultPlan:
    """How much to do: for so long, or so many faults; `events` spreads that many over the faults."""

    seed: int
    seconds: float
    faults: int | None
    events: int | None
    rate: float
    only: Sequence[str]
    minutes: float = math.inf
    longest_hold: float = math.inf
    is_mixed: bool = False


def run(plan: FaultPlan, disk: Disk, say: Callable[[str], None], stopping: threading.Event) -> FaultReport:
    """All of it, or as much as there is time for until `stopping` is set; then the account of what there was."""
    report = FaultReport(plan.seed, planned=plan.faults)
    started = time.monotonic()
    with World(seed=plan.seed, rate=plan.rate, disk=disk) as world:
        _Run(world, plan, report, say, stopping).all()
    report.seconds = time.monotonic() - started
    return report


class _Run:
    def __init__(
        self, world: World, plan: FaultPlan, report: FaultReport, say: Callable[[str], None], stopping: threading.Event
    ) -> None:
        self._world = world
        self._plan = plan
        self._report = report
        self._say = say
        self._stopping = stopping
        self._started = time.monotonic()
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
        alone = [] if self._plan.is_mixed else [(name,) for name in self._names]
        while self._names and len(self._report.problems) < _MOST_PROBLEMS:
            if self._plan.faults is None:
                is_over = time.monotonic() - started > self._plan.seconds
            else:
                is_over = self._report.injected >= self._plan.faults
            if is_over or self._ends_early():
                return
            self._inject(alone.pop(0) if alone else self._drawn())

    def _ends_early(self) -> bool:
        if self._stopping.is_set():
            self._report.ended_early = "interrupted"
        elif time.monotonic() - self._started > self._plan.minutes * 60:
            self._report.ended_early = f"its {self._plan.minutes:g} minutes are over"
        return bool(self._report.ended_early)

    def _drawn(self) -> tuple[str, ...]:
        weights = [FAULTS[name].weight for name in self._names]
        first, second = self._rng.choices(self._names, weights, k=2)
        is_pair = self._rng.random() < _SHARE_OF_PAIRS and FAULTS[first].where != FAULTS[second].where
        return (first, second) if is_pair else (first,)

    def _inject(self, names: tuple[str, ...]) -> None:
        self._allow_events()
        self._stopping.wait(self._rng.uniform(0, _CALM_SECONDS))  # no event to await: the instant is the point
        ends = []
        for name in names:
            try:
                ends.append((FAULTS[name].where, FAULTS[name].begin(self._world)))
            except ProcessLookupError:  # the session of rtp that was to be killed has ended by itself
                continue
            except Exception as error:  # noqa: BLE001 - with two at a time, one may be in the other's way
                self._say(f"{name} could not begin: {one_line(error)[:150]}")
                continue
            self._report.note_fault(name)
            self._stopping.wait(self._hold_seconds(name))
        for _, end in sorted(ends, key=lambda one: one[0] != "disk"):  # no server starts while that is full
            end()
        self._recover(names, time.monotonic())

    def _hold_seconds(self, name: str) -> float:
        low, high = FAULTS[name].hold
        return self._rng.uniform(low, max(low, min(high, self._plan.longest_hold)))

    def _recover(self, names: tuple[str, ...], healed_at: float) -> None:
        what = "+".join(names)
        try:
            with self._world.workload.pace.eased():
                recovery = wait_for_recovery(self._world, healed_at, _RECOVERY_DEADLINE_SECONDS)
        except Stuck as stuck:
            self._report.problems.append(f"after {what}: not recovered: {stuck}")
            self._say(self._report.problems[-1])
            return
        if names != ("start",):
            self._report.note_recovery(what if len(names) == 1 else PAIRS, recovery)
        if recovery.cache_wrong:
            entries = ", ".join(recovery.cache_wrong[:3])
            self._report.problems.append(f"after {what}: {len(recovery.cache_wrong)} cache entries wrong: {entries}")
            self._say(self._report.problems[-1])
        stream, accepted = self._world.stream.arrivals, self._world.alerts.accepted
        bad = stream.out_of_order + stream.phantoms + accepted.out_of_order + accepted.phantoms
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        planned = "" if self._plan.faults is None else f"/{self._plan.faults}"
        self._say(
            f"{minutes:>3}:{seconds:02} [{self._report.injected:>3}{planned}] {what:<40} "
            f"first {recovery.first_seconds:5.2f} s, all {recovery.all_seconds:5.2f} s, "
            f"cache {recovery.cache_seconds:5.2f} s; {stream.received:>9,} events" + (f"; {bad} WRONG" if bad else "")
        )

    def _allow_events(self) -> None:
        """With a number of events, each fault lets its share be written; without, writers only keep to their rate."""
        if self._plan.events is None:
            return
        faults = self._plan.faults or max(1, int(self._plan.seconds / 3))
        share = min(1.0, (self._report.injected + 1) / faults)
        pace = self._world.workload.pace
        if pace.has_budget:
            self._await_budget()
        pace.allow(int(self._plan.events * share))

    def _await_budget(self) -> None:
        while not self._world.workload.pace.is_exhausted and not self._stopping.wait(0.01):
            pass

    def _settle(self) -> None:
        world, report = self._world, self._report
        self._write_the_rest()
        world.workload.stop()
        try:
            wait_for_recovery(world, time.monotonic(), _END_DEADLINE_SECONDS)
        except Stuck as stuck:
            report.problems.append(f"at the end: {stuck}")
        committed = world.committed()
        self._await_consumer()
        report.events = sum(committed.values())
        report.rolled_back = world.workload.rolled_back
        if report.events < world.workload.acknowledged:
            report.problems.append(
                f"PostgreSQL acknowledged {world.workload.acknowledged} steps and holds {report.events}"
            )
        report.cache_wrong = world.wrong_in_cache(committed)
        for arrivals in (world.stream.arrivals, world.alerts.accepted, world.alerts.received):
            report.add_sink(arrivals, committed)
        report.unreceived, report.lost_by_endpoint = world.alerts.waiting, world.alerts.lost_by_endpoint
        report.dead_letters = int(world.ask("dead_letters")[0])
        errors, newest = world.ask("trigger_errors")
        report.trigger_errors = int(errors)
        if errors:
            self._say(f"trigger errors: {errors}, such as {newest}")
        if "redis-wiped" in self._names and report.is_clean:
            self._look_at_rebuilding(committed)
        report.problems += world.unexpected_ends()
        report.rtp_starts = sum(run.starts for run in world.runs)
        if not report.is_clean:
            self._say(world.last_words())

    def _write_the_rest(self) -> None:
        """What was rolled back, or lost with its connection, is made up for."""
        pace, wanted = self._world.workload.pace, self._plan.events
        while wanted is not None and not self._report.problems and not self._ends_early():
            if (short := wanted - sum(self._world.committed().values())) <= 0:
                return
            pace.allow(pace.taken + short)
            self._await_budget()

    def _await_consumer(self) -> None:
        deadline = time.monotonic() + _END_DEADLINE_SECONDS
        while self._world.alerts.waiting and time.monotonic() < deadline:
            time.sleep(0.01)

    def _look_at_rebuilding(self, committed: dict[str, int]) -> None:
        """With no writer left, only rtp can fill an empty Redis again."""
        wipe_redis(self._world)()
        started = time.monotonic()
        while wrong := self._world.wrong_in_cache(committed):
            if time.monotonic() - started > _REBUILD_SECONDS:
                self._report.cache_wrong = wrong
                self._report.problems.append(
                    f"the cache was not rebuilt: {len(wrong)} of {len(committed)} entries missing"
                )
                return
            time.sleep(0.02)
        self._report.cache_rebuilt_seconds = round(time.monotonic() - started, 3)
