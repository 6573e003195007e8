"""The ids of the events that were seen last: a redelivered event is told from a new one."""

from __future__ import annotations

from collections import OrderedDict


class RecentIds:
    """Remembers so many ids, and forgets the one that was added first."""

    def __init__(self, limit: int) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._limit = limit

    def add(self, event_id: str) -> bool:
        """False where it was there already."""
        if event_id in self._ids:
            return False
        self._ids[event_id] = None
        if len(self._ids) > self._limit:
            self._ids.popitem(last=False)
        return True
