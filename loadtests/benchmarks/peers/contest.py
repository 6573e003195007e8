"""One peer on a server of its own: detection at a fixed rate, saturation beside the bare table, a kill -9, space."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import RtpError
from loadtests.benchmarks.peers.consumers import check, kill, start
from loadtests.benchmarks.peers.phase import Brought, Phase
from loadtests.benchmarks.peers.receipts import Inbox
from loadtests.benchmarks.peers.workload import WrittenTable
from loadtests.benchmarks.percentiles import percentiles_ms
from loadtests.benchmarks.pgbench import finish
from loadtests.shared.usage import usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from core.stack import EmbeddedStack
    from loadtests.benchmarks.peers.figures import Figures
    from loadtests.benchmarks.peers.peer import Peer, Place
    from loadtests.benchmarks.peers.receipts import Receipt
    from loadtests.shared.process import Process

_AWAKE_SECONDS = 30
_DRAIN_SECONDS = 15
_SETTLE_SECONDS = 3
_LOOK_SECONDS = 0.05
_AWAY_SECONDS = 0.5


@dataclass(frozen=True)
class Effort:
    """How much to do: `seconds` at `rate` updates per second, then `turns` of a fifth of it flat out."""

    rate: float
    seconds: int
    turns: int

    @property
    def warm_up_seconds(self) -> int:
        """At the rate, before anything counts."""
        return min(2, self.seconds)

    @property
    def turn_seconds(self) -> int:
        return max(1, self.seconds // 5)

    @property
    def kill_seconds(self) -> int:
        """How long the writes go on around the kill."""
        return max(2, self.seconds // 3)


class Contest:
    """The peer's consumer, while its writer writes."""

    def __init__(
        self, peer: Peer, place: Place, servers: Sequence[int], helpers: Sequence[int], effort: Effort
    ) -> None:
        self._peer, self._place, self._effort = peer, place, effort
        self._servers, self._helpers = servers, helpers
        self._writer = WrittenTable(place.dsn, place.programs)
        self._inbox = Inbox(place.receipts)
        self._empty_bytes = self._writer.bytes_beside_table()
        self._process = self._start()

    def close(self) -> None:
        kill(self._process)

    def measure(self, figures: Figures, bare: WrittenTable, on_step: Callable[[str], None]) -> None:
        """All of it, in order. Raises RtpError where the peer does not work."""
        on_step("waking up")
        self._wait_until_awake()
        self._write(self._effort.warm_up_seconds, self._effort.rate)
        on_step("detection")
        self._detection(figures)
        on_step("saturation")
        self._saturation(figures, bare)
        on_step("kill -9")
        figures.killed = self._kill()
        on_step("space")
        self._space(figures)

    def _start(self) -> Process:
        return start(self._peer.consumer(self._place))

    def _wait_until_awake(self) -> list[Receipt]:
        """It is once it has got something; what it has got."""
        deadline = time.monotonic() + _AWAKE_SECONDS
        while not (receipts := self._inbox.new()):
            check(self._process)
            if time.monotonic() > deadline:
                raise RtpError(f"no event reached its consumer within {_AWAKE_SECONDS} s")
            self._writer.probe()
            time.sleep(4 * _LOOK_SECONDS)
        return receipts

    def _write(self, seconds: int, rate: float | None = None) -> tuple[Phase, Brought, float]:
        phase = Phase(self._writer.counts())
        per_second = finish(self._writer.start(seconds, rate)).per_second
        return phase, self._collect(phase, _SETTLE_SECONDS), per_second

    def _collect(self, phase: Phase, timeout_seconds: float) -> Brought:
        """Wait until all has come, or nothing more comes."""
        after = self._writer.counts()
        started = progressed = time.monotonic()
        while (brought := phase.brought(after)).lost and time.monotonic() - started < _DRAIN_SECONDS:
            receipts = self._inbox.new()
            phase.add(receipts)
            progressed = time.monotonic() if receipts else progressed
            if time.monotonic() - progressed > timeout_seconds:
                break
            time.sleep(_LOOK_SECONDS)
            check(self._process)
        return brought

    def _detection(self, figures: Figures) -> None:
        own, servers = self._cpu_seconds()
        phase, brought, _ = self._write(self._effort.seconds, self._effort.rate)
        own_after, servers_after = self._cpu_seconds()
        latencies, thousands = percentiles_ms("", phase.latencies()), brought.received / 1000
        figures.at_rate = brought
        figures.p50_ms, figures.p99_ms, figures.max_ms = (latencies.get(f"{name}_ms") for name in ("p50", "p99", "max"))
        if thousands:
            figures.cpu_seconds = (own_after - own) / thousands
            figures.server_cpu_seconds = (servers_after - servers) / thousands

    def _saturation(self, figures: Figures, bare: WrittenTable) -> None:
        """Turns between two of the bare table each, as disks and neighbours change their mind by the second."""
        shares, received, seconds, cpu = [], 0, 0.0, 0.0
        before = finish(bare.start(self._effort.turn_seconds)).per_second
        for _ in range(self._effort.turns):
            own, _servers = self._cpu_seconds()
            phase, brought, per_second = self._write(self._effort.turn_seconds)
            cpu += self._cpu_seconds()[0] - own
            after = finish(bare.start(self._effort.turn_seconds)).per_second
            shares.append(per_second / ((before + after) / 2))
            received, seconds, before = received + brought.received, seconds + phase.seconds(), after
        figures.writer_share = statistics.mean(shares)
        figures.events_per_second = received / seconds if seconds else 0.0
        figures.saturated_cpu_seconds = cpu / (received / 1000) if received else None

    def _kill(self) -> Brought:
        """SIGKILL amid the writes, half a second away, and back."""
        phase = Phase(self._writer.counts())
        writing = self._writer.start(self._effort.kill_seconds, self._effort.rate)
        time.sleep(self._effort.kill_seconds / 2)
        kill(self._process)
        phase.add(self._inbox.new())
        time.sleep(_AWAY_SECONDS)
        self._process = self._start()
        finish(writing)
        phase.add(self._wait_until_awake())
        return self._collect(phase, self._peer.recovery_seconds)

    def _space(self, figures: Figures) -> None:
        events = sum(self._writer.counts().values())
        figures.bytes_left = self._least_bytes() / events
        self._writer.vacuum()
        figures.bytes_after_vacuum = self._least_bytes() / events

    def _least_bytes(self) -> int:
        """The least within a moment: whoever confirms or empties does so now and then."""
        looks = []
        for _ in range(3):
            time.sleep(0.4)
            looks.append(self._writer.bytes_beside_table() - self._empty_bytes)
        return max(0, min(looks))

    def _cpu_seconds(self) -> tuple[float, float]:
        return _cpu((self._process.pid, *self._helpers)), _cpu(self._servers)


def servers_of(stack: EmbeddedStack) -> list[int]:
    """PostgreSQL and Redis."""
    return [pid for pid in (stack.postgres.pid, stack.redis.pid) if pid is not None]


def bare_server_cpu(writer: WrittenTable, servers: Sequence[int], effort: Effort) -> tuple[float, float]:
    """CPU seconds of the servers per 1,000 updates at the rate, without any peer; and updates per second flat out."""
    finish(writer.start(effort.warm_up_seconds, effort.rate))
    before, written = _cpu(servers), sum(writer.counts().values())
    finish(writer.start(effort.seconds, effort.rate))
    updates = sum(writer.counts().values()) - written
    return (_cpu(servers) - before) / (updates / 1000), finish(writer.start(effort.turn_seconds)).per_second


def _cpu(pids: Iterable[int]) -> float:
    return sum(seen.cpu_seconds for pid in pids if (seen := usage(pid)) is not None)
