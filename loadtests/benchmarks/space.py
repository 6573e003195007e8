"""What the log costs in space, measured: bytes per million events, dead rows, and what stays once all is delivered.

Also what emptying a slot costs those who write and read meanwhile. `make space` runs it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from contextlib import closing

import psycopg
from rich.console import Console

from core.log.logs import EVENTS
from core.log.reader import LogReader
from core.log.rotation import Rotation
from core.services.postgres import DatabaseServer, connect, queries
from core.stack import EmbeddedStack
from loadtests.benchmarks.contestants import SETTINGS, fresh_table
from triggers.installer import apply, plan_installation

_QUERIES = queries("loadtests.benchmarks", "space.sql")
_PIECE = 20_000


def main() -> None:
    """Append, deliver, rotate, and look."""
    parser = argparse.ArgumentParser(description="Measure what the log costs in space.")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with (
        EmbeddedStack() as stack,
        connect(stack.addresses.postgres_dsn, role="space") as connection,
        closing(LogReader(DatabaseServer(stack.addresses.postgres_dsn), "redis")) as reader,
    ):
        fresh_table(connection)
        apply(connection, plan_installation(connection, SETTINGS))
        reader.open()
        figures = _measure(connection, reader, stack.addresses.postgres_dsn, arguments.events)
    if arguments.json:
        print(json.dumps(figures))
    else:
        Console().print("\n".join(f"{name:<34} {value:>14,}" for name, value in figures.items()))


def _measure(connection: psycopg.Connection, reader: LogReader, dsn: str, events: int) -> dict[str, float]:
    rotation, biggest, per_event = Rotation(EVENTS), 0, []
    is_over = threading.Event()
    waits: list[float] = []
    neighbour = threading.Thread(target=_write_and_time, args=(dsn, is_over, waits))
    neighbour.start()
    for _ in range(events // _PIECE):
        connection.execute(_QUERIES["append"], [_PIECE])
        while (chunk := reader.read(5000)).rows:
            reader.advance(chunk)
        reader.advance(chunk)
        reader.save()
        size, rows = _row(connection, "size")
        biggest = max(biggest, size)
        per_event.append(size / rows)
        while rotation.rotate(connection):
            pass
    is_over.set()
    neighbour.join()
    connection.execute(_QUERIES["flush_statistics"])
    dead, dead_latest = _row(connection, "dead_rows")
    return {
        "events": events,
        "bytes per million events": round(statistics.median(per_event) * 1_000_000),
        "most bytes at any time": biggest,
        "bytes at the end": _row(connection, "size")[0],
        "dead rows in rtp.event": dead,
        "dead rows in rtp.latest_event": dead_latest,
        "a writer's p50, microseconds": round(statistics.median(waits) * 1e6),
        "a writer's longest, microseconds": round(max(waits) * 1e6),
    }


def _write_and_time(dsn: str, is_over: threading.Event, waits: list[float]) -> None:
    with connect(dsn, role="neighbour") as connection:
        while not is_over.wait(0.001):
            started = time.perf_counter()
            connection.execute(_QUERIES["append"], [1])
            waits.append(time.perf_counter() - started)


def _row(connection: psycopg.Connection, query: str) -> tuple[int, int]:
    row = connection.execute(_QUERIES[query]).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


if __name__ == "__main__":
    main()
