"""Events that are built once for all sinks: each reads the log by itself, and most read the same rows soon after."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.log.rows import build_event

if TYPE_CHECKING:
    from core.log.rows import LogRow
    from rtp_client.event import Event

# A sink further behind than this builds its own. An event has about 3 kB.
MOST_KEPT = 2_000


@dataclass
class _Kept:
    event: Event
    to_come: int


class SharedEvents:
    """Builds events, and keeps each until `sinks` have taken it or newer ones push it out. For threads."""

    def __init__(self, *, source: str, sinks: int = 1) -> None:
        self._source = source
        self._others = sinks - 1
        self._kept: OrderedDict[tuple[str, LogRow], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, row: LogRow, log_id: str) -> Event:
        """The event of a row of this log. Raises EventRejected where the row breaks the event's own rules."""
        if not self._others:
            return build_event(row, source=self._source, log_id=log_id)
        key = log_id, row
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                kept.to_come -= 1
                if not kept.to_come:
                    del self._kept[key]
                return kept.event
        event = build_event(row, source=self._source, log_id=log_id)
        with self._lock:
            self._kept[key] = _Kept(event, self._others)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return event
