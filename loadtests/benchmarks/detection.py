"""How soon after the trigger's clock a reader of the log has the event, beside the floor: a bare LISTEN/NOTIFY hop.

`make detection` runs it. pgbench writes significant single-row updates at a fixed rate; the reader is rtp's own, in
this process.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from typing import TYPE_CHECKING

import psycopg

from core.leading.epoch import UNFENCED, Epochs
from core.log.reader import LogReader
from core.processor.wakeup import WakeUp
from core.services.circuit import CircuitBreaker
from core.services.postgres import DatabaseServer
from core.services.recovery import Recovery
from core.settings.models import RunSettings
from core.stack import EmbeddedStack
from loadtests.benchmarks.contestants import ENTITIES, SETTINGS, fresh_table
from loadtests.benchmarks.percentiles import percentiles_ms
from loadtests.benchmarks.pgbench import Pgbench
from rtp_client.backoff import Backoff
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.stack import StackAddresses

RATES = (1000, 5000)
UPDATE = (
    "UPDATE tvl SET tvl_usd = tvl_usd * CASE WHEN tvl_usd > 1000 THEN 0.7 ELSE 1.5 END, updated_at = now() "
    "WHERE chain = 'b' AND protocol = 'p' || :k"
)


def main() -> None:
    """Measure and print; `--json` for scripts."""
    parser = argparse.ArgumentParser(description="Measure detection latency.")
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures: dict[str, Mapping[str, float]] = {}
    with EmbeddedStack() as stack:
        dsn = stack.addresses.postgres_dsn
        figures["floor: LISTEN/NOTIFY hop"] = _floor(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            fresh_table(connection)
            apply(connection, plan_installation(connection, SETTINGS))
        for rate in RATES:
            figures[f"rtp at {rate}/s"] = _detection(stack.addresses, rate, arguments.seconds)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, values in figures.items():
            print(f"{name:26}", "  ".join(f"{key} {value}" for key, value in values.items()))


def _floor(dsn: str, hops: int = 2000) -> Mapping[str, float]:
    """From before the NOTIFY statement to having its notification, one at a time, durable."""
    latencies = []
    with psycopg.connect(dsn, autocommit=True) as listener, psycopg.connect(dsn, autocommit=True) as notifier:
        listener.execute("LISTEN floor")
        for _ in range(hops):
            started = time.perf_counter()
            notifier.execute("NOTIFY floor")
            next(listener.notifies(timeout=5, stop_after=1))
            latencies.append(time.perf_counter() - started)
    return percentiles_ms("", latencies)


def _detection(addresses: StackAddresses, rate: int, seconds: int) -> Mapping[str, float]:
    latencies: list[float] = []
    stopping = threading.Event()
    run = RunSettings()
    circuit = CircuitBreaker("PostgreSQL", run.circuit_breaker, on_problem=print)
    backoff = Backoff(run.retry_initial_seconds, run.retry_max_seconds)
    wakeup = WakeUp(DatabaseServer(addresses.postgres_dsn), run, Epochs(UNFENCED), recovery=Recovery(circuit, backoff))
    reader = LogReader(DatabaseServer(addresses.postgres_dsn), f"bench {rate}")
    reader.open()
    while reader.read(10_000).rows:
        reader.advance(reader.read(10_000))
        reader.save()
    wakeup.start()
    thread = threading.Thread(target=_read, args=(reader, wakeup, stopping, latencies))
    thread.start()
    written = Pgbench(addresses.postgres_dsn, ENTITIES).run(UPDATE, seconds, rate).transactions
    deadline = time.monotonic() + 10
    while len(latencies) < written and time.monotonic() < deadline:
        time.sleep(0.01)
    stopping.set()
    wakeup.request_stop()
    wakeup.join()
    thread.join()
    reader.close()
    return {"written": written, "detected": len(latencies), **percentiles_ms("", latencies)}


def _read(reader: LogReader, wakeup: WakeUp, stopping: threading.Event, latencies: list[float]) -> None:
    while not stopping.is_set():
        started = time.monotonic()
        chunk = reader.read(500)
        arrived = time.time()
        reader.advance(chunk)
        latencies.extend(arrived - row.detected_at.timestamp() for row in chunk.rows)
        if chunk.rows:
            wakeup.active()
        elif wakeup.is_awake:
            reader.wait(step_seconds=0.001, longest_seconds=0.05)
        else:
            wakeup.wait(started, 0.001)


if __name__ == "__main__":
    main()
