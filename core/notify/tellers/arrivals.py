"""What comes into the outboxes of a process's destinations, from whichever process, handed to their tellers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import SinkUnavailable
from core.notify.work_loop import WorkLoop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.notify.outbox.outbox import Outbox
    from core.notify.tellers.teller import Teller

_MOST_READ = 500
_PAUSE_SECONDS = 0.1


class ArrivalReader(WorkLoop):
    """A thread that waits for all of them. `block_ms` is shorter than what its client waits for an answer."""

    def __init__(self, outbox: Outbox, tellers: Mapping[str, Teller], *, block_ms: int) -> None:
        super().__init__("arrivals")
        self._outbox = outbox
        self._tellers = tellers
        self._block_ms = block_ms

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
