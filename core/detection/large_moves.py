"""Large moves of a history, found without any rule: the yardstick that events are held to.

A large move begins with a sample that is so many percent or more from the lowest or the highest value of the 24 hours
before. It is over when half of it is undone, when as large a move the other way begins, or when it has gone no further
for 24 hours. Of a price with a peg it is the distance from the peg that counts, however long it stays. A move that the
next sample undoes is a spike, and none. Extremes are kept by the hour.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.detection.detector import Key
    from core.detection.state import Sample

WINDOW = timedelta(hours=24)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_HOURS = WINDOW // _HOUR


class Yardstick(NamedTuple):
    """How many percent are a large move of an entity; its peg, where it has one."""

    percent: float
    peg: float | None = None


@dataclass(slots=True, eq=False)
class LargeMove:
    """A move of an entity: from which value, since when, and how far it has gone; `samples` is how many it lasted.

    `first` is the value that was as far as that for the first time.
    """

    key: Key
    begun_at: datetime
    start: float
    first: float
    yardstick: Yardstick
    farthest: float
    farthest_at: datetime
    samples: int = 1

    @property
    def is_up(self) -> bool:
        """Whether the value has risen."""
        return self.farthest > self.start

    @property
    def is_spike(self) -> bool:
        """Whether only one sample was ever that far."""
        return self.samples == 1

    @property
    def size(self) -> float:
        """How far it went, in percent."""
        return self._distance(self.farthest)

    def is_half_reached(self, value: float) -> bool:
        """Whether a value is half as far from the start as a large move is, or farther."""
        return 2 * self._distance(value) >= self.yardstick.percent

    def goes_on(self, value: float, at: datetime) -> bool:
        """Take the next value; whether the move is not over with it."""
        if not self.is_half_reached(value):
            return False
        self.samples += 1
        if self._distance(value) > self.size:
            self.farthest, self.farthest_at = value, at
        return self.samples == 2 or self.yardstick.peg is not None or at - self.farthest_at < WINDOW

    def _distance(self, value: float) -> float:
        """How far a value is from the start, in percent, in the move's own direction."""
        return (value - self.start if self.is_up else self.start - value) / abs(self.start) * 100


@dataclass(slots=True)
class _Hour:
    number: int
    low: float
    high: float
    last: float


@dataclass(slots=True)
class _Watched:
    """What is remembered of an entity: the value from before 24 hours, the hours since, and the move that goes on."""

    yardstick: Yardstick
    at: datetime
    before: float | None = None
    hours: deque[_Hour] = field(default_factory=deque)
    move: LargeMove | None = None

    def forget_before(self, at: datetime) -> None:
        first = (at - _EPOCH) // _HOUR - _HOURS
        while self.hours and self.hours[0].number < first:
            self.before = self.hours.popleft().last

    def remember(self, value: float, at: datetime) -> None:
        number = (at - _EPOCH) // _HOUR
        if self.hours and self.hours[-1].number == number:
            hour = self.hours[-1]
            hour.low, hour.high, hour.last = min(hour.low, value), max(hour.high, value), value
        else:
            self.hours.append(_Hour(number, value, value, value))

    def begun(self, key: Key, value: float, at: datetime) -> LargeMove | None:
        """The larger of the moves that a value is, from the lowest and from the highest; None where neither is."""
        start, size = 0.0, 0.0
        for one in self._starts():
            if one and (distance := abs(value - one) / abs(one) * 100) > size:
                start, size = one, distance
        return LargeMove(key, at, start, value, self.yardstick, value, at) if size >= self.yardstick.percent else None

    def _starts(self) -> list[float]:
        if self.yardstick.peg is not None:
            return [self.yardstick.peg]
        before = [] if self.before is None else [self.before]
        if not self.hours:
            return before
        return [
            min([hour.low for hour in self.hours] + before),
            max([hour.high for hour in self.hours] + before),
        ]


@dataclass
class LargeMoveFinder:
    """Finds the large moves of all entities; `yardstick_of` says what is large. Memory is bounded per entity."""

    yardstick_of: Callable[[Key], Yardstick]
    entities: dict[Key, _Watched] = field(default_factory=dict)

    def see(self, key: Key, sample: Sample) -> tuple[LargeMove | None, LargeMove | None]:
        """The move that a sample ends, and the one that it begins. Late samples and what is not finite do neither."""
        value = math.nan if sample.value is None else float(sample.value)
        known = self.entities.get(key)
        if known is None:
            known = self.entities[key] = _Watched(self.yardstick_of(key), sample.at)
        if not math.isfinite(value) or sample.at < known.at:
            return None, None
        known.at = sample.at
        known.forget_before(sample.at)
        return _step(key, known, value, sample.at)

    def move_of(self, key: Key) -> LargeMove | None:
        """The move that goes on, a spike or more."""
        known = self.entities.get(key)
        return None if known is None else known.move

    def unfinished(self) -> list[LargeMove]:
        """The moves that go on when the history ends."""
        return [known.move for known in self.entities.values() if known.move is not None]


def _step(key: Key, known: _Watched, value: float, at: datetime) -> tuple[LargeMove | None, LargeMove | None]:
    move = known.move
    was_new = move is not None and move.is_spike
    goes_on = move is not None and move.goes_on(value, at)
    if move is not None and was_new and not move.is_spike:
        # The sample that began it was held back: had it been a spike, the way back would have been a move.
        known.remember(move.first, move.begun_at)
    begun = known.begun(key, value, at)
    if goes_on and begun is not None and move is not None and begun.is_up == move.is_up:
        begun = None
    if begun is None:
        known.remember(value, at)
    if goes_on and begun is None:
        return None, None
    known.move = begun
    return move, begun
