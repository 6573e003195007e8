"""rtp's reader of its log alone, doing what the other consumers do: take rows, note them, move on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.leading.epoch import UNFENCED, Epochs
from core.log.reader import LogReader
from core.processor.cursor_saver import SAVE_INTERVAL_SECONDS
from core.processor.wakeup import WakeUp
from core.services.circuit import CircuitBreaker
from core.services.postgres import DatabaseServer
from core.services.recovery import Recovery
from core.settings.models import RunSettings
from loadtests.benchmarks.peers import watch
from loadtests.benchmarks.peers.peer import BATCH, Place, PythonPeer
from rtp_client.backoff import Backoff

if TYPE_CHECKING:
    from loadtests.benchmarks.peers.receipts import Receipts


class RtpReader(PythonPeer):
    """The loop of `core/processor/delivery.py` without a sink behind it: no CloudEvent is built, Redis gets nothing."""

    name = "rtp, its reader"

    def install(self, place: Place) -> None:
        watch.install(place)

    def consume(self, dsn: str, receipts: Receipts) -> None:
        run = RunSettings()
        circuit = CircuitBreaker("PostgreSQL", run.circuit_breaker, on_problem=print)
        backoff = Backoff(run.retry_initial_seconds, run.retry_max_seconds)
        wakeup = WakeUp(DatabaseServer(dsn), run, Epochs(UNFENCED), recovery=Recovery(circuit, backoff))
        reader = LogReader(DatabaseServer(dsn), "peers")
        reader.open()
        wakeup.start()
        poll_seconds, saved_at = run.poll_interval_ms / 1000, 0.0
        while True:
            started = time.monotonic()
            chunk = reader.read(BATCH)
            for row in chunk.rows:
                receipts.note(row.entity, row.provenance or "0", str(row.changed_at))
            receipts.flush()
            is_time_to_save = started - saved_at > SAVE_INTERVAL_SECONDS
            saved_at = started if is_time_to_save else saved_at
            reader.advance(chunk)
            if is_time_to_save:
                reader.save()
            if not chunk.rows:
                if wakeup.is_awake:
                    reader.wait(step_seconds=poll_seconds / 2, longest_seconds=SAVE_INTERVAL_SECONDS)
                else:
                    wakeup.wait(started, poll_seconds)
                continue
            wakeup.active()
            if len(chunk.rows) < BATCH:
                time.sleep(max(0.0, started + poll_seconds - time.monotonic()))


PEER = RtpReader()
