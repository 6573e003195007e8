"""How soon the large moves of a history were told of, by one set of rules."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from rtp_client.event import format_time

if TYPE_CHECKING:
    from core.detection.large_moves import LargeMove

_MOST_MOVES = 1000
_AT_ONCE = timedelta(0)


class ToldMove(NamedTuple):
    """A large move, and how long after its beginning the first event told of it; None: none did."""

    move: LargeMove
    delay: timedelta | None


@dataclass
class LargeMoveCount:
    """How many large moves there were, how soon they were told of, and the largest of them, the largest first."""

    found: int = 0
    missed: int = 0
    at_once: int = 0
    slowest: timedelta = _AT_ONCE
    all_delays: timedelta = _AT_ONCE
    _heap: list[tuple[float, int, ToldMove]] = field(default_factory=list)

    def count(self, move: LargeMove, delay: timedelta | None) -> None:
        """Count a move that is over."""
        self.found += 1
        if delay is None:
            self.missed += 1
        else:
            self.at_once += delay == _AT_ONCE
            self.slowest = max(self.slowest, delay)
            self.all_delays += delay
        entry = (move.size, -self.found, ToldMove(move, delay))
        if len(self._heap) < _MOST_MOVES:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    @property
    def later(self) -> int:
        """How many were told of, but not at once."""
        return self.found - self.missed - self.at_once

    @property
    def largest(self) -> list[ToldMove]:
        """The thousand largest."""
        return [told for *_, told in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]

    def document(self, top: int) -> dict[str, Any]:
        """The figures as JSON has them."""
        return {
            "found": self.found,
            "told_at_once": self.at_once,
            "told_later": self.later,
            "missed": self.missed,
            "slowest_seconds": self.slowest.total_seconds(),
            "largest": [_told_document(told) for told in self.largest[:top]],
        }


def _told_document(told: ToldMove) -> dict[str, Any]:
    move = told.move
    return {
        "chain": move.key[0],
        "entity": move.key[1],
        "begun_at": format_time(move.begun_at),
        "from": move.start,
        "to": move.farthest,
        "percent": round(move.size if move.is_up else -move.size, 3),
        "first_event_seconds": None if told.delay is None else told.delay.total_seconds(),
    }
