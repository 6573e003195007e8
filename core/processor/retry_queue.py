"""Groups that a sink could not take now, waiting aside so that other groups go on.

A group is the events of one partition key. Once one of its events is parked, all later ones queue up behind it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from rtp_client.backoff import Backoff
    from rtp_client.event import Event

# What is parked is in memory, and is read again after a crash: beyond this, reading stops until there is room.
MOST_PARKED_EVENTS = 10_000


@dataclass
class _Group:
    events: deque[Event] = field(default_factory=deque)
    attempts: int = 0  # of the first event
    refusals: int = 0  # of the first event, for its own sake
    first_refused_at: datetime | None = None
    due_at: float = 0.0
    out: int = 0  # events that are being tried again


class RetryQueue:
    """The parked groups of one sink, and when each is to be tried again. Times are monotonic, in seconds."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._groups: dict[str, _Group] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def has_groups(self) -> bool:
        """Whether any group is parked, or was refused and is remembered."""
        return bool(self._groups)

    @property
    def is_full(self) -> bool:
        """Whether reading on would take too much memory."""
        return self._count >= MOST_PARKED_EVENTS

    def queue_up(self, events: Iterable[Event]) -> list[Event]:
        """Put events of parked groups behind those; the others are returned, free to go."""
        if not self._groups:
            return list(events)
        free = []
        for event in events:
            if (group := self._groups.get(event.partitionkey)) is None:
                free.append(event)
            else:
                group.events.append(event)
                self._count += 1
        return free

    def park(self, events: Iterable[Event], now: float) -> None:
        """Set events aside that the sink has not taken, in order; each group waits longer after each failure."""
        failed: dict[str, list[Event]] = {}
        for event in events:
            failed.setdefault(event.partitionkey, []).append(event)
        for key, undelivered in failed.items():
            group = self._groups.setdefault(key, _Group())
            group.events.extendleft(reversed(undelivered))
            group.attempts += 1
            group.due_at = now + self._backoff.wait_seconds(group.attempts)
            self._count += len(undelivered) - group.out
            group.out = 0

    def take_due(self, now: float, limit: int) -> list[Event]:
        """The first events of the groups whose time has come, at most `limit`; the groups stay parked until `leave`."""
        due: list[Event] = []
        for group in self._groups.values():
            while group.due_at <= now and group.events and len(due) < limit:
                due.append(group.events.popleft())
                group.out += 1
        return due

    def leave(self, keys: Iterable[str]) -> None:
        """Note that nothing of these groups has failed: those without waiting events are parked no more."""
        for key in keys:
            group = self._groups.get(key)
            if group is not None:
                self._count -= group.out
                group.attempts = group.refusals = group.out = 0
                group.first_refused_at = None
                if not group.events:
                    del self._groups[key]

    def note_refusal(self, key: str, at: datetime) -> tuple[int, datetime]:
        """The group's first event was refused for its own sake: how often by now, and when for the first time."""
        group = self._groups.setdefault(key, _Group())
        group.refusals += 1
        group.first_refused_at = group.first_refused_at or at
        return group.refusals, group.first_refused_at

    def forget_refusals(self, key: str) -> None:
        """The group's first event is out of the way."""
        if key in self._groups:
            self._groups[key].refusals, self._groups[key].first_refused_at = 0, None

    def seconds_to_next(self, now: float) -> float:
        """How long until a group is to be tried again; infinity without any."""
        due_at = (group.due_at for group in self._groups.values() if group.events)
        return max(0.0, min(due_at, default=float("inf")) - now)

    def clear(self) -> None:
        """Forget all: it will be read again."""
        self._groups.clear()
        self._count = 0
