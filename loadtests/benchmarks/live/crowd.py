"""What a crowd of clients costs, what one frozen client costs the others, and how soon all are back after a kill."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from loadtests.benchmarks.live.served import Served
from loadtests.benchmarks.live.swarm import Swarm, swarm
from loadtests.benchmarks.live.writer import writing
from loadtests.benchmarks.percentiles import percentiles_ms
from loadtests.shared.usage import UsageSampler

if TYPE_CHECKING:
    from loadtests.benchmarks.watched_demo import WatchedDemo

_WARM_UP_SECONDS = 5
_SLOW_CLIENTS = 1000
_SLOW_ROUNDS = 3


def measure_crowd(demo: WatchedDemo, clients: int, rate: int, seconds: int) -> dict[str, Any]:
    """The clients connect, get their share of the load, lose their server, and come back."""
    limits = {"connections": clients + 10, "connections_per_address": clients + 10}
    with Served(demo.settings, limits) as served, swarm() as crowd:
        before = served.usage()
        connected = crowd.connect(served.port, clients, demo.entities)
        memory = (served.usage().resident_bytes - before.resident_bytes) / clients
        figures: dict[str, Any] = {"clients": clients, "connect_seconds": round(connected["seconds"], 2)}
        figures["kilobytes_per_client"] = round(memory / 1024, 1)
        with writing(demo.addresses.postgres_dsn, demo.entities, rate):
            figures |= _load(served, crowd, seconds)
            figures["kilobytes_per_client_under_load"] = round(
                (served.usage().resident_bytes - before.resident_bytes) / clients / 1024, 1
            )
            served.kill()
            figures["start_again_seconds"] = round(served.start(), 2)
            back = crowd.reconnect(served.port)
            figures["all_resumed_seconds"] = round(back["seconds"], 2)
            figures |= {"resumed": back["resumed"], "reset": back["reset"]}
    return figures


def measure_slow(demo: WatchedDemo, rate: int, seconds: int) -> dict[str, Any]:
    """The others' latency beside a client that reads nothing, and without it, in turns."""
    p99: dict[bool, list[float]] = {False: [], True: []}
    limits = {"connections": _SLOW_CLIENTS + 10, "connections_per_address": _SLOW_CLIENTS + 10}
    with Served(demo.settings, limits) as served, writing(demo.addresses.postgres_dsn, demo.entities, rate):
        for turn in range(2 * _SLOW_ROUNDS):
            is_frozen = turn % 2 == 1
            with swarm() as crowd:
                crowd.connect(served.port, _SLOW_CLIENTS, demo.entities)
                if is_frozen:
                    crowd.freeze_one()
                p99[is_frozen].append(_load(served, crowd, seconds)["p99_ms"])
    return {
        f"p99_ms_{'beside_a_frozen_client' if is_frozen else 'all_well'}": round(statistics.median(found), 2)
        for is_frozen, found in p99.items()
    }


def _load(served: Served, crowd: Swarm, seconds: int) -> dict[str, Any]:
    time.sleep(_WARM_UP_SECONDS)
    crowd.take()
    machine, before, started = UsageSampler({}), served.usage(), time.perf_counter()
    time.sleep(seconds)
    taken, used, busy = crowd.take(), served.usage().cpu_seconds - before.cpu_seconds, machine.machine_share()
    passed = time.perf_counter() - started
    return {
        "frames_per_second": round(taken["frames"] / passed),
        **percentiles_ms("", taken["waits"]),
        "cpu_us_per_frame": round(used / max(1, taken["frames"]) * 1e6, 1),
        "gateway_cpu_share": round(used / passed, 3),
        "machine_busy_percent": round((busy or 0) * 100),
        "lost": taken["lost"],
        "skipped": taken["skipped"],
        "closed": taken["closed"],
    }
