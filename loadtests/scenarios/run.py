"""One run of a load test: the processes start together, the load goes out on schedule, everything is gathered."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from core.errors import Cancelled, RtpError
from core.services.postgres import connect
from core.settings.models import postgres_dsn
from loadtests.scenarios.clock import clock_ahead
from loadtests.scenarios.gather import gather
from loadtests.scenarios.observer import Observer
from loadtests.scenarios.processes.child import Child, ProcessPlan, Said
from loadtests.scenarios.processes.tick import Recorder, Tick
from loadtests.scenarios.recording import Recording
from loadtests.scenarios.schedule import offered, user_count
from loadtests.shared.arrivals import Arrived
from loadtests.shared.latency_buckets import percentile
from loadtests.shared.machine import machine_facts
from loadtests.shared.rtp_run import RtpRun

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    import psycopg

    from loadtests.scenarios.load import Load
    from loadtests.scenarios.results.result import RunResult
    from loadtests.scenarios.target import Target

_EVENTS_PER_GENERATOR = 2500
_LEAD_SECONDS = 0.5
_READY_SECONDS = 60
_STATUS_SECONDS = 0.5
_LAST_EVENTS_SECONDS = 60
_NOTHING_NEW_SECONDS = 10


@dataclass(frozen=True)
class RunProgress:
    """How far a run is; the latencies are the last whole second's, in milliseconds."""

    second: float
    of_seconds: float
    offered: int
    written: int
    published: int
    alerts: int | None
    p50_ms: float | None
    p99_ms: float | None


class LoadRun:
    """A run on a target that is ready for it."""

    def __init__(
        self,
        target: Target,
        load: Load,
        *,
        on_progress: Callable[[RunProgress], None],
        on_problem: Callable[[str], None],
        stop_requested: threading.Event,
    ) -> None:
        self._target, self._load = target, load
        self._on_progress, self._on_problem = on_progress, on_problem
        self._stop_requested = stop_requested
        self._said: SimpleQueue[Said] = SimpleQueue()
        self._children: list[Child] = []
        self._recorder, self._recording = Recorder(), Recording()
        self._ready: set[str] = set()
        self._finished_writers = 0
        self._rtp: RtpRun | None = None
        self._observer: Observer | None = None
        self._offered = offered(load.scenario, load.rate, load.total_seconds)

    def run(self) -> RunResult:
        """Offer the load, and wait until all of it has arrived or nothing comes any more.

        Raises Cancelled soon after `stop_requested` is set.
        """
        settings, started_at = self._target.settings, time.time()
        with connect(postgres_dsn(settings), role="loadtest observer") as connection, ExitStack() as exits:
            facts = machine_facts(connection, settings.redis.url)
            observer = self._observer = Observer(connection, self._recorder, self._processes(exits, connection))
            if not self._target.rtp_is_running:
                self._rtp = exits.enter_context(self._start_rtp(observer))
                self._rtp.wait_until_up()
                if (pid := self._rtp.pid) is not None:
                    observer.watch("rtp", pid)
            self._wait_until(lambda: len(self._ready) == len(self._children), _READY_SECONDS)
            start_time = time.time() + _LEAD_SECONDS
            observer.start(start_time)
            self._tell_all({"start": start_time})
            self._drive(observer, start_time)
            self._tell_all({"stop": True})
            for child in self._children:
                child.end()
            self._listen(0)
            self._take_own()
        return gather(self._recording, self._target, self._load, observer, facts, started_at)

    def _start_rtp(self, observer: Observer) -> RtpRun:
        settings = self._target.settings
        run = settings.run.model_copy(update={"status_interval_seconds": _STATUS_SECONDS})
        return RtpRun(
            settings.model_copy(update={"run": run}),
            self._target.environ,
            on_status=observer.note_status,
            on_problem=self._on_problem,
        )

    def _processes(self, exits: ExitStack, connection: psycopg.Connection) -> dict[str, int]:
        plan = self._plan(connection)
        parts = max(1, min(user_count(self._load.scenario, plan.rate), round(plan.rate / _EVENTS_PER_GENERATOR)))
        if self._load.scenario.rows_per_write > 1:
            parts = 1
        wanted = [("generator", replace(plan, part=part, parts=parts)) for part in range(parts)]
        if plan.settings.redis.url:
            wanted += [(name, plan) for name in ("subscriber", "stream_reader", "cache_reader")]
        if plan.settings.sqs.queue:
            wanted.append(("consumer", plan))
        for name, its_plan in wanted:
            if its_plan.part:
                its_plan = replace(its_plan, web_port=None, csv_prefix=None)  # noqa: PLW2901
            child = Child(name, its_plan, self._target.environ, self._said)
            exits.callback(child.end)
            self._children.append(child)
        return dict(self._target.servers) | {child.name: child.pid for child in self._children}

    def _plan(self, connection: psycopg.Connection) -> ProcessPlan:
        settings, load = self._target.settings, self._load
        return ProcessPlan(
            load.scenario.name,
            load.rate,
            load.total_seconds,
            settings,
            clock_ahead(connection),
            web_port=load.web_port,
            csv_prefix=load.csv_prefix,
        )

    def _drive(self, observer: Observer, start_time: float) -> None:
        """Until the writers have finished and all has arrived, or nothing has come for a while."""
        looked, last_seen, last_change = 0, -1, time.monotonic()
        give_up = start_time + self._load.total_seconds * 2 + _LAST_EVENTS_SECONDS
        while time.time() < give_up:
            self._listen(0.2)
            self._take_own()
            self._check()
            second = int(time.time() - start_time)
            if second > looked or not looked:
                looked = max(second, 1)
                observer.look()
                self._on_progress(self._progress(time.time() - start_time))
            seen = sum(self._recording.timeline.total(name) for name in ("pubsub", "sqs", "written"))
            if seen != last_seen:
                last_seen, last_change = seen, time.monotonic()
            if self._is_over(is_still=time.monotonic() - last_change > _NOTHING_NEW_SECONDS):
                return
        self._on_problem("The load test gave up waiting for what is still under way; it counts as lost.")

    def _is_over(self, *, is_still: bool) -> bool:
        generators = sum(child.name.startswith("generator") for child in self._children)
        if self._finished_writers < generators:
            return False
        due = sum(self._recording.written.values())
        have_all = all(self._recording.timeline.total(name) >= due for name in self._receivers)
        return have_all or is_still

    @property
    def _receivers(self) -> Sequence[str]:
        settings = self._target.settings
        return [name for name, there in (("pubsub", settings.redis.url), ("sqs", settings.sqs.queue)) if there]

    def _progress(self, second: float) -> RunProgress:
        last_whole = self._recording.timeline.stage("pubsub", int(second) - 2, int(second) - 1)
        return RunProgress(
            min(second, self._load.total_seconds),
            self._load.total_seconds,
            self._offered,
            self._recording.timeline.total("written"),
            self._recording.timeline.total("pubsub"),
            self._recording.timeline.total("sqs") if self._target.settings.sqs.queue else None,
            percentile(last_whole, 0.5),
            percentile(last_whole, 0.99),
        )

    def _wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            self._listen(0.2)
            self._check()
            if time.monotonic() > deadline:
                raise RtpError(f"the load test's processes were not ready within {seconds:.0f} s")

    def _listen(self, seconds: float) -> None:
        try:
            said = self._said.get(timeout=seconds) if seconds else self._said.get_nowait()
            while True:
                self._hear(said)
                said = self._said.get_nowait()
        except Empty:
            return

    def _hear(self, said: Said) -> None:
        document = said.document
        if "ready" in document:
            self._ready.add(said.who)
        elif "tick" in document:
            self._note(Tick.decoded(document["tick"]), to_locust=not said.who.startswith("generator"))
        elif "incident" in document and self._observer is not None:
            self._observer.note(said.who, document["incident"])
        elif "arrived" in document:
            self._recording.arrived[document["receiver"]] = Arrived(**document["arrived"])
        elif "written" in document:
            self._recording.written |= document["written"]
            self._finished_writers += 1

    def _note(self, tick: Tick, *, to_locust: bool) -> None:
        self._recording.timeline.add(tick)
        if to_locust and tick.latencies:
            self._children[0].send({"tick": tick.encoded()})

    def _take_own(self) -> None:
        self._note(self._recorder.take(), to_locust=True)

    def _tell_all(self, order: Mapping[str, Any]) -> None:
        # The first generator last: it still counts what the others report.
        for child in reversed(self._children):
            child.send(order)

    def _check(self) -> None:
        if self._stop_requested.is_set():
            raise Cancelled
        for child in self._children:
            child.check()
        if self._rtp is not None:
            self._rtp.check()
