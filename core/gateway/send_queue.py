"""What waits for a client that does not read fast enough: so many messages, and no more.

Up to the limit all of it waits, in order. Beyond it, of each subscription's entity only the newest event waits, at the
newest one's place, so that positions never go back; what it replaces is counted. That lasts until nothing waits.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

    from core.gateway.outlet import Document
    from core.gateway.placed_event import PlacedEvent
    from core.gateway.subscription import Subscription


class WaitingEvent(NamedTuple):
    """An event of a subscription; it is counted when it is sent. `skipped` were left out for it."""

    subscription: Subscription
    event: PlacedEvent
    skipped: int = 0


class WaitingMessage(NamedTuple):
    """Any other message."""

    kind: str
    document: Document
    position: str | None


Waiting = WaitingEvent | WaitingMessage


class SendQueue:
    """Bounded by `limit`; an `add` that would pass it takes nothing, and says so."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: OrderedDict[Hashable, Waiting] = OrderedDict()
        self._added = 0
        self._conflates = False
        self.left_out = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, waiting: Waiting, *, may_conflate: bool) -> bool:
        """Let it wait. False where there is no room for it, not even by leaving events out."""
        if len(self._waiting) >= self._limit and not self._conflates:
            if not may_conflate:
                return False
            self._conflate()
        key = self._key(waiting)
        if len(self._waiting) >= self._limit and key not in self._waiting:
            return False
        self._put(key, waiting)
        return True

    def take(self) -> Waiting:
        """What has waited longest."""
        _, waiting = self._waiting.popitem(last=False)
        self._conflates = self._conflates and bool(self._waiting)
        return waiting

    def drop(self, subscription: Subscription) -> None:
        """A subscription has ended: none of its events is sent any more."""
        ended = [key for key, one in self._waiting.items() if one[0] is subscription]
        for key in ended:
            del self._waiting[key]

    def clear(self) -> None:
        """Nothing waits any more."""
        self._waiting.clear()

    def _key(self, waiting: Waiting) -> Hashable:
        if self._conflates and isinstance(waiting, WaitingEvent):
            return waiting.subscription, waiting.event.owner
        self._added += 1
        return self._added

    def _conflate(self) -> None:
        self._conflates = True
        all_of_it, self._waiting = self._waiting, OrderedDict()
        for waiting in all_of_it.values():
            self._put(self._key(waiting), waiting)

    def _put(self, key: Hashable, waiting: Waiting) -> None:
        older = self._waiting.pop(key, None)
        if isinstance(older, WaitingEvent) and isinstance(waiting, WaitingEvent):
            waiting = waiting._replace(skipped=older.skipped + 1)
            self.left_out += 1
        self._waiting[key] = waiting
