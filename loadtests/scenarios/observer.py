"""Looks at rtp, the database and the processes while the load runs: lag, retries, breakers, CPU, who waits for what."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import psycopg

from core.services.postgres import queries
from loadtests.scenarios.results.result import Incident
from loadtests.shared.usage import UsageSampler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.scenarios.processes.tick import Recorder

_LAGS = queries("core.sql", "lag.sql")["lags"]
_ACTIVITY = queries("loadtests.scenarios", "writes.sql")["activity"]
# rtp's two histograms of its Redis sink, and the request types they are reported as.
_OF_RTP = {"detection_ms": "detect", "delivery_ms": "process"}


class Observer:
    """Keeps what it sees by second. `note_status` is called by the thread that reads rtp's status lines."""

    def __init__(self, connection: psycopg.Connection, recorder: Recorder, processes: Mapping[str, int]) -> None:
        self._connection = connection
        self._recorder = recorder
        self._sampler = UsageSampler(processes)
        self._own_cpu = (time.time(), time.process_time())
        self._start_time = float("inf")
        self._retries: dict[str, int] = {}
        self._breakers: dict[str, str] = {}
        self._lock = threading.Lock()
        self.lags: dict[int, dict[str, float]] = {}
        self.cpu: dict[int, dict[str, float]] = {}
        self.memory: dict[int, int] = {}
        self.machine: dict[int, float] = {}
        self.sessions: Counter[str] = Counter()
        self.looks = 0
        self.incidents: list[Incident] = []

    def start(self, start_time: float) -> None:
        self._start_time = start_time

    def watch(self, name: str, pid: int) -> None:
        self._sampler.watch(name, pid)

    def look(self) -> None:
        """Once a second: the sinks' lag, the sessions, and the processes' use."""
        second = int(time.time() - self._start_time)
        for name, (share, resident) in (seen := self._sampler.sample(time.time())).items():
            self.cpu.setdefault(second, {})[name] = round(share, 3)
            if name == "rtp":
                self.memory[second] = resident
        own_share = self._own_share()
        if seen:
            self.cpu[second]["load test"] = round(own_share, 3)
        if (machine := self._sampler.machine_share()) is not None and seen:
            self.machine[second] = machine
        try:
            self.lags[second] = {
                sink: round(seconds, 3) for sink, seconds, _ in self._connection.execute(_LAGS, prepare=True)
            }
            self._note_sessions()
        except psycopg.Error as error:
            self.note("PostgreSQL", f"the database did not answer the observer: {error}".splitlines()[0])

    def note_status(self, status: Mapping[str, Any]) -> None:
        now = time.time()
        second = int(now - self._start_time) if now >= self._start_time else -1
        for sink in status["sinks"]:
            if sink["sink"] == "redis" and second >= 0:
                for histogram, request_type in _OF_RTP.items():
                    for upper_bound_ms, found in sink[histogram].items():
                        self._recorder.latency(request_type, second, float(upper_bound_ms), found)
            if sink["retries"] > (before := self._retries.get(sink["sink"], 0)):
                self.note("retry", f"{sink['sink']}: {sink['retries'] - before} retries: {sink['last_error']}")
            self._retries[sink["sink"]] = sink["retries"]
        for circuit in status["circuits"]:
            state, before_state = circuit["state"], self._breakers.get(circuit["service"])
            if before_state is not None and state != before_state:
                self.note("breaker", f"{circuit['service']}: {state}")
            self._breakers[circuit["service"]] = state

    def mean_sessions(self) -> dict[str, float]:
        """How many sessions were active at a time, on average, by who they are and what they waited for."""
        return {name: round(total / max(self.looks, 1), 2) for name, total in self.sessions.most_common(12)}

    def mean_cpu(self, first_second: int, before_second: float) -> dict[str, float]:
        """Each process's mean share of one CPU over some seconds."""
        shares: dict[str, list[float]] = defaultdict(list)
        for second, found in self.cpu.items():
            if first_second < second < before_second:
                for name, share in found.items():
                    shares[name].append(share)
        return {name: round(sum(all_of_it) / len(all_of_it), 3) for name, all_of_it in shares.items()}

    def _own_share(self) -> float:
        """This process's, without those it has started."""
        before, self._own_cpu = self._own_cpu, (time.time(), time.process_time())
        elapsed, used = (now - then for now, then in zip(self._own_cpu, before, strict=True))
        return used / elapsed if elapsed > 0 else 0.0

    def _note_sessions(self) -> None:
        self.looks += 1
        for application, waits_for, number in self._connection.execute(_ACTIVITY, prepare=True):
            self.sessions[f"{application} / {waits_for}"] += number

    def note(self, kind: str, what: str) -> None:
        with self._lock:
            self.incidents.append(
                Incident(second=round(max(0.0, time.time() - self._start_time), 1), what=what, kind=kind)
            )
