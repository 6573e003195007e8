"""What a board knows of the market: the newest event of everything that moves, its last values, and the last events.

Nothing here knows a terminal, a clock or a connection. All of it is bounded, however long a board stays open.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from datetime import datetime
from typing import NamedTuple

from rtp_client import Entry, Event, LiveEntry, LiveEvent, SnapshotPage
from rtp_client.event import METADATA_REASONS, Reason

MOST_MOVERS = 20_000
MOST_EVENTS = 2_000
MOST_POINTS = 120
WINDOW_SECONDS = 900.0
"""A move is counted over this time."""


class EntityKey(NamedTuple):
    """Whose a value is."""

    kind: str
    chain: str
    entity: str


class Point(NamedTuple):
    """A value, and the Unix time at which it was found."""

    at: float
    value: float


class Mover:
    """An entity with a value: what it is now, the event that said so last, and the values before."""

    __slots__ = ("event", "key", "off_peg_since", "points", "value")

    def __init__(self, key: EntityKey) -> None:
        self.key = key
        self.value: str | None = None
        self.event: Event | None = None
        self.points: deque[Point] = deque(maxlen=MOST_POINTS)
        self.off_peg_since: datetime | None = None

    def take(self, event: Event) -> None:
        """The newest event of it."""
        data = event.data
        self.event, self.value = event, data.current
        at = moment_of(event).timestamp()
        if not self.points and (before := finite(data.previous)) is not None:
            self.points.append(Point(at, before))
        if (now := finite(data.current)) is not None:
            self.points.append(Point(at, now))
        if data.reason in {Reason.DEPEG, Reason.ESCALATED} and self.off_peg_since is None:
            self.off_peg_since = datetime.fromisoformat(data.off_since or data.changed_at)
        elif data.reason is Reason.REPEG:
            self.off_peg_since = None

    def move_pct(self, now: float) -> float | None:
        """By how many percent the value has moved within the window; None where there is no telling."""
        current = finite(self.value)
        if current is None or not self.points:
            return None
        start = self.points[0]
        for point in self.points:
            if point.at > now - WINDOW_SECONDS:
                break
            start = point
        return (current - start.value) / abs(start.value) * 100 if start.value else None


class SeenMarket:
    """Everything that was seen, from the first snapshot on."""

    def __init__(self) -> None:
        self.movers: OrderedDict[EntityKey, Mover] = OrderedDict()
        self.events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self.taken = 0
        """Events that came live, and those that were left out of them, as this reader was too slow."""
        self.skipped = 0
        self.is_complete = False
        """Whether all current values were told."""

    def take_message(self, message: object) -> None:
        """Whatever is of the market."""
        match message:
            case LiveEvent():
                self.skipped += message.skipped
                self.take(message.event)
            case SnapshotPage():
                for entry in message.entries:
                    self.take_entry(entry)
                if message.is_last:
                    self._end_snapshot()
            case Entry():
                self.take_entry(message)

    def take_entry(self, entry: Entry | LiveEntry) -> None:
        """A current value; the event with it is the entity's last one. What is known already may be newer."""
        key = EntityKey(entry.kind, entry.chain, entry.entity)
        known = self.movers.get(key)
        if known is not None and known.event is not None and not _is_newer(entry, known.event):
            return
        if entry.event is not None:
            self._note(entry.event)
        if entry.fields is None and not entry.is_deleted:
            self._mover(key).value = entry.value

    def _end_snapshot(self) -> None:
        """The events of a snapshot come in no order: put them into that of their time."""
        self.is_complete = True
        self.events = deque(sorted(self.events, key=lambda event: event.data.detected_at), maxlen=MOST_EVENTS)

    def take(self, event: Event) -> None:
        """An event, as it comes."""
        self.taken += 1
        self._note(event)

    def _note(self, event: Event) -> None:
        self.events.append(event)
        data = event.data
        if data.previous_entity is not None:
            if not data.previous_taken:
                self.movers.pop(EntityKey(data.kind, data.previous_chain or data.chain, data.previous_entity), None)
            if data.current is None:  # of metadata, or of no value
                return
        if data.reason not in METADATA_REASONS:
            self._mover(key_of(event)).take(event)

    def _mover(self, key: EntityKey) -> Mover:
        mover = self.movers.get(key)
        if mover is None:
            mover = self.movers[key] = Mover(key)
            if len(self.movers) > MOST_MOVERS:
                self.movers.popitem(last=False)
        else:
            self.movers.move_to_end(key)
        return mover


def _is_newer(entry: Entry | LiveEntry, event: Event) -> bool:
    return bool(entry.log) and (entry.log != event.log or entry.sequence > int(event.sequence))


def key_of(event: Event) -> EntityKey:
    """Whose event it is."""
    return EntityKey(event.data.kind, event.data.chain, event.data.entity)


def moment_of(event: Event) -> datetime:
    """When rtp found the change."""
    return datetime.fromisoformat(event.data.detected_at)


def finite(amount: str | None) -> float | None:
    """An amount as a number to draw; None for null, NaN and what is infinite."""
    value = math.nan if amount is None else float(amount)
    return value if math.isfinite(value) else None
