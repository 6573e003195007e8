"""What comes into the outboxes of a process's destinations, from whichever process, handed to their tellers at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from core.errors import SinkUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.notify.outbox.outbox import Outbox
    from core.notify.tellers.teller import Teller

_MOST_READ = 500
_PAUSE_SECONDS = 0.1


class ArrivalReader:
    """A thread that waits for all of them. `block_ms` is shorter than what its client waits for an answer."""

    def __init__(self, outbox: Outbox, tellers: Mapping[str, Teller], *, block_ms: int) -> None:
        self._outbox = outbox
        self._tellers = tellers
        self._block_ms = block_ms
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notify_arrivals", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            reading = {name: place for name, one in self._tellers.items() if (place := one.reads_behind) is not None}
            try:
                found = self._outbox.arrivals(reading, most=_MOST_READ, block_ms=self._block_ms) if reading else {}
                for name, alerts in found.items():
                    before = self._outbox.at(name, self._tellers[name].places_before(alerts))
                    self._tellers[name].add(alerts, reading[name], before)
            except SinkUnavailable:  # the leases tell of it
                reading = {}
            if not reading:
                self._stopping.wait(_PAUSE_SECONDS)
