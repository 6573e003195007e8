"""What single samples at an even pace cost rtp, and how soon their events are there to be read."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from core.log.reader import LogReader
from core.services.postgres import DatabaseServer
from loadtests.benchmarks.judging.watched_history import QUERIES
from loadtests.benchmarks.percentiles import percentiles_ms
from loadtests.benchmarks.pgbench import finish
from loadtests.shared.usage import usage

if TYPE_CHECKING:
    from loadtests.benchmarks.judging.watched_history import WatchedHistory

_WARM_UP_SECONDS = 2
_CHUNK = 500
_LAST_SECONDS = 10


def cpu_of_quiet_samples(history: WatchedHistory, rate: int, seconds: int) -> dict[str, float]:
    """What rtp takes of the CPU while samples come that are all in band."""
    history.judge_all()
    with history.rtp() as (rtp, judged):
        assert rtp.pid is not None
        finish(history.start_appending("quiet", rate, _WARM_UP_SECONDS))
        before = usage(rtp.pid)
        appended = finish(history.start_appending("quiet", rate, seconds)).transactions
        after = usage(rtp.pid)
        judged.wait_for(appended)
    if before is None or after is None:
        return {}
    return {"rtp_cpu_seconds_per_1000_samples": round((after.cpu_seconds - before.cpu_seconds) / appended * 1000, 4)}


def detection_latency(history: WatchedHistory, rate: int, seconds: int) -> dict[str, float]:
    """From a sample's commit to the commit of its event, and until a reader has it that reads as the sinks do."""
    connection = history.demo.connection
    connection.execute(QUERIES["restart"])
    history.judge_all()
    with closing(LogReader(DatabaseServer(history.demo.addresses.postgres_dsn), "bench")) as reader, history.rtp():
        after_id = _skip(reader)
        is_over, arrived = threading.Event(), dict[int, float]()
        reading = threading.Thread(target=_read, args=(reader, is_over, arrived))
        reading.start()
        appended = finish(history.start_appending("significant", rate, seconds)).transactions
        deadline = time.monotonic() + _LAST_SECONDS
        while len(arrived) < appended and time.monotonic() < deadline:
            time.sleep(0.01)
        is_over.set()
        reading.join()
    commits = connection.execute(QUERIES["commits"], {"after_id": after_id, "chain": "history"}).fetchall()
    return {
        "appended": appended,
        "events": len(arrived),
        **percentiles_ms("sample_to_event_", (judged_at - sampled_at for _, sampled_at, judged_at in commits)),
        **percentiles_ms("sample_to_reader_", (arrived[id_] - sampled_at for id_, sampled_at, _ in commits)),
    }


def _skip(reader: LogReader) -> int:
    """Read what is there; the newest event's id."""
    reader.open()
    while (chunk := reader.read(10_000)).rows:
        reader.advance(chunk)
    reader.advance(chunk)
    reader.save()
    return reader.newest_id


def _read(reader: LogReader, is_over: threading.Event, arrived: dict[int, float]) -> None:
    while not is_over.is_set():
        chunk = reader.read(_CHUNK)
        now = time.time()
        reader.advance(chunk)
        arrived.update((row.id, now) for row in chunk.rows)
        if not chunk.rows:
            reader.wait(step_seconds=0.001, longest_seconds=0.05)
