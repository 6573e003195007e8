"""One run of a load test: the processes start together, the load goes out on schedule, everything is gathered."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import Cancelled, RtpError
from core.services.postgres import connect
from core.settings.models import postgres_dsn
from loadtests.scenarios.clock import clock_ahead
from loadtests.scenarios.fleet import Fleet
from loadtests.scenarios.gather import gather
from loadtests.scenarios.observer import Observer
from loadtests.scenarios.processes.tick import Recorder, Tick
from loadtests.scenarios.recording import Recording
from loadtests.scenarios.schedule import offered
from loadtests.shared.arrivals import Arrived
from loadtests.shared.latency_buckets import percentile
from loadtests.shared.machine import machine_facts
from loadtests.shared.rtp_run import RtpRun

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from loadtests.scenarios.load import Load
    from loadtests.scenarios.processes.child import Said
    from loadtests.scenarios.results.result import RunResult
    from loadtests.scenarios.target import Target

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

    _fleet: Fleet
    _observer: Observer

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
        self._recorder, self._recording = Recorder(), Recording()
        self._ready: set[str] = set()
        self._finished_writers = 0
        self._rtp: RtpRun | None = None
        self._offered = offered(load.scenario, load.rate, load.total_seconds)

    def run(self) -> RunResult:
        """Offer the load, and wait until all of it has arrived or nothing comes any more.

        Raises Cancelled soon after `stop_requested` is set.
        """
        settings, started_at = self._target.settings, time.time()
        with connect(postgres_dsn(settings), role="loadtest observer") as connection, ExitStack() as exits:
            facts = machine_facts(connection, settings.redis.url)
            fleet = self._fleet = exits.enter_context(Fleet(self._target, self._load, clock_ahead(connection)))
            observer = self._observer = Observer(connection, self._recorder, {**self._target.servers, **fleet.pids})
            if not self._target.rtp_is_running:
                self._rtp = exits.enter_context(self._start_rtp(observer))
                self._rtp.wait_until_up()
                if (pid := self._rtp.pid) is not None:
                    observer.watch("rtp", pid)
            self._wait_until_ready()
            start_time = time.time() + _LEAD_SECONDS
            observer.start(start_time)
            fleet.tell_all({"start": start_time})
            self._drive(observer, start_time)
            fleet.tell_all({"stop": True})
            fleet.end()
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
        if self._finished_writers < self._fleet.generators:
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

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while len(self._ready) < len(self._fleet):
            self._listen(0.2)
            self._check()
            if time.monotonic() > deadline:
                raise RtpError(f"the load test's processes were not ready within {_READY_SECONDS} s")

    def _listen(self, within_seconds: float) -> None:
        for said in self._fleet.said(within_seconds):
            self._hear(said)

    def _hear(self, said: Said) -> None:
        document = said.document
        if "ready" in document:
            self._ready.add(said.who)
        elif "tick" in document:
            self._note(Tick.decoded(document["tick"]))
        elif "incident" in document:
            self._observer.note(said.who, document["incident"])
        elif "arrived" in document:
            self._recording.arrived[document["receiver"]] = Arrived(**document["arrived"])
        elif "written" in document:
            self._recording.written |= document["written"]
            self._finished_writers += 1

    def _note(self, tick: Tick) -> None:
        self._recording.timeline.add(tick)
        if tick.latencies and self._load.is_shown_by_locust:
            self._fleet.tell_locust({"tick": tick.encoded()})

    def _take_own(self) -> None:
        self._note(self._recorder.take())

    def _check(self) -> None:
        if self._stop_requested.is_set():
            raise Cancelled
        self._fleet.check()
        if self._rtp is not None:
            self._rtp.check()
