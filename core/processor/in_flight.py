"""What a sink has read and not settled yet: the cursor on disk stays before it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.log.cursor import Cursor
    from core.log.dead_event import DeadEvent


@dataclass
class _ReadBatch:
    """Rows that were read together: once all before and all of them are settled, the cursor may stand behind them."""

    cursor: Cursor
    unsettled: dict[int, float]
    read_at: float
    dead: list[DeadEvent] = field(default_factory=list)


class InFlight:
    """What was read and is not yet settled, that is delivered or dead; the cursor on disk stays before it."""

    def __init__(self) -> None:
        self._reads: deque[_ReadBatch] = deque()
        self._read_of: dict[int, _ReadBatch] = {}

    def __len__(self) -> int:
        return len(self._read_of)

    def add(self, cursor: Cursor, detected_at: dict[int, float], *, read_at: float) -> None:
        """Note what was read up to `cursor`, and when: event ids, and when each was detected. They are not copied."""
        if not detected_at and self._reads:
            self._reads[-1].cursor = cursor
            return
        read = _ReadBatch(cursor, detected_at, read_at)
        self._reads.append(read)
        self._read_of.update(dict.fromkeys(detected_at, read))

    def settle(self, event_id: int, dead: DeadEvent | None = None) -> None:
        """An event is dead, or not for this sink."""
        read = self._read_of.pop(event_id)
        if dead is not None:
            read.dead.append(dead)
        del read.unsettled[event_id]

    def settle_delivered(self, event_ids: Iterable[int]) -> list[tuple[float, list[float]]]:
        """Events are delivered; when they were read, those read together in one, and when each was detected."""
        read: _ReadBatch | None = None
        detected_at: list[float] = []
        times: list[tuple[float, list[float]]] = []
        for event_id in event_ids:
            if (of := self._read_of.pop(event_id)) is not read:
                read, detected_at = of, []
                times.append((of.read_at, detected_at))
            detected_at.append(of.unsettled.pop(event_id))
        return times

    def take_settled(self) -> tuple[Cursor | None, list[DeadEvent]]:
        """How far all is settled, with the dead events up to there; None where nothing new is."""
        cursor: Cursor | None = None
        dead: list[DeadEvent] = []
        while self._reads and not self._reads[0].unsettled:
            read = self._reads.popleft()
            cursor = read.cursor
            dead += read.dead
        return cursor, dead

    def oldest_detected_at(self) -> float | None:
        """When the event was detected that has waited longest; None where none waits."""
        for read in tuple(self._reads):
            for detected_at in tuple(read.unsettled.values())[:1]:
                return detected_at
        return None

    def clear(self) -> None:
        """Forget all: it will be read again."""
        self._reads.clear()
        self._read_of.clear()
