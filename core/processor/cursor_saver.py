"""When a sink's cursor is written down: how far all is settled, now and then, and at once where an event is dead."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.log.cursor import Cursor
    from core.log.reader import LogReader
    from core.processor.in_flight import InFlight
    from core.processor.prefetch import Prefetcher

# A crash repeats what was delivered since the cursor was last written: at most this much. Writing it after every
# batch would cost as much as the batch, and leave a dead row version each time.
SAVE_INTERVAL_SECONDS = 0.05


class CursorSaver:
    """Saves one sink's cursor. `on_dead_letters` is called when there are new ones in the table."""

    def __init__(
        self, reader: LogReader, in_flight: InFlight, prefetcher: Prefetcher, *, on_dead_letters: Callable[[], None]
    ) -> None:
        self._reader = reader
        self._in_flight = in_flight
        self._prefetcher = prefetcher
        self._on_dead_letters = on_dead_letters
        self._settled: Cursor | None = None
        self._saved_at = 0.0

    def save_when_due(self) -> bool:
        """Save unless that was done a moment ago; whether there was something to save, and it was done.

        Raises ServiceUnavailable and LeadershipLost.
        """
        return self._save(SAVE_INTERVAL_SECONDS)

    def save_now(self) -> None:
        """Save however lately that was done. Raises ServiceUnavailable and LeadershipLost."""
        self._save(0.0)

    def forget(self) -> None:
        """What is not saved yet will be read again."""
        self._settled = None

    def _save(self, interval_seconds: float) -> bool:
        cursor, dead_events = self._in_flight.take_settled()
        self._settled = cursor or self._settled
        now = time.monotonic()
        if self._settled is None or (not dead_events and now - self._saved_at < interval_seconds):
            return False
        if dead_events:
            self._prefetcher.wait()
        self._reader.save(self._settled, dead_events)
        self._saved_at = now
        if dead_events:
            self._on_dead_letters()
        return True
