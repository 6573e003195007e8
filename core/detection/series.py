"""What a picture of a history needs: the values of a few entities, thinned out, and the events over them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from rtp_client.event import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime
    from decimal import Decimal

    from core.detection.backtest import Backtest
    from core.detection.detector import Key
    from core.detection.history import Row
    from core.detection.report import Report
    from rtp_client.event import Severity

_MOST_POINTS = 1200
_MOST_EVENTS = 1000
_FARTHEST = 1e300
"""The axis must be a number, too."""


class Spread(NamedTuple):
    """A time, and the lowest and highest value from then until the next point."""

    at: datetime
    low: float
    high: float


class Mark(NamedTuple):
    """An event where it stands in the picture."""

    at: datetime
    value: Decimal | None
    reason: Reason
    severity: Severity


@dataclass
class DrawnSeries:
    """An entity's values, and its events by each set of rules; heartbeats are left out.

    Memory is bounded: where there are too many points, two become one; of more than a thousand events of a set, the
    first are kept, and the others counted.
    """

    key: Key
    points: list[Spread] = field(default_factory=list)
    marks: list[list[Mark]] = field(default_factory=list)
    left_out: int = 0
    _samples_of_a_point: int = 1
    _samples_of_the_last: int = 0

    def add(self, value: Decimal | None, at: datetime) -> None:
        """Take a sample. Late ones and those that are no number are no part of a picture."""
        number = math.nan if value is None else float(value)
        if not math.isfinite(number) or (self.points and at < self.points[-1].at):
            return
        number = max(-_FARTHEST, min(_FARTHEST, number))
        if 0 < self._samples_of_the_last < self._samples_of_a_point:
            last = self.points[-1]
            self.points[-1] = Spread(last.at, min(last.low, number), max(last.high, number))
        else:
            self.points.append(Spread(at, number, number))
            self._samples_of_the_last = 0
        self._samples_of_the_last += 1
        if len(self.points) > _MOST_POINTS:
            self.points = list(_halved(self.points))
            self._samples_of_a_point *= 2

    def mark(self, place: int, at: datetime, report: Report) -> None:
        """Take an event of a set of rules."""
        if report.reason is Reason.HEARTBEAT:
            return
        if len(self.marks[place]) < _MOST_EVENTS:
            self.marks[place].append(Mark(at, report.current, report.reason, report.severity))
        else:
            self.left_out += 1


def draw(
    backtest: Backtest, rows: Iterable[Row], keys: Collection[Key], on_progress: Callable[[int], None] = lambda _: None
) -> Sequence[DrawnSeries]:
    """Judge a history once more, of these entities alone, for the picture; `backtest` must not have judged anything."""
    drawn = {key: DrawnSeries(key, marks=[[] for _ in backtest.tallies]) for key in keys}
    for place, tally in enumerate(backtest.tallies):
        tally.on_event = partial(_mark, drawn, place)
    backtest.run(_added(rows, drawn), on_progress)
    return list(drawn.values())


def _added(rows: Iterable[Row], drawn: dict[Key, DrawnSeries]) -> Iterator[Row]:
    for row in rows:
        series = None if row is None else drawn.get(row[0])
        if row is None or series is None:
            yield None
        else:
            series.add(row[1].value, row[1].at)
            yield row


def _mark(drawn: dict[Key, DrawnSeries], place: int, key: Key, at: datetime, report: Report) -> None:
    drawn[key].mark(place, at, report)


def _halved(points: Sequence[Spread]) -> Iterator[Spread]:
    for place in range(0, len(points), 2):
        pair = points[place : place + 2]
        yield Spread(pair[0].at, min(one.low for one in pair), max(one.high for one in pair))
