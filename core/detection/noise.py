"""How much a set of rules says, and how much of that a trader wants to hear: measured while a history is judged.

Heartbeats are counted apart: they say that nothing happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from core.detection.large_moves import WINDOW
from core.detection.told_moves import LargeMoveCount
from rtp_client.event import Reason, format_time

if TYPE_CHECKING:
    from decimal import Decimal

    from core.detection.detector import Key
    from core.detection.large_moves import LargeMove
    from core.detection.report import Report

FLAP = timedelta(minutes=10)
_A_DAY = timedelta(days=1)
_AT_ONCE = timedelta(0)


class LongestSilence(NamedTuple):
    """The time that an entity was not reported."""

    duration: timedelta
    since: datetime
    key: Key


@dataclass(slots=True)
class _Said:
    """What was said of an entity. `news` is the value of its last event, `before` the one that it led away from."""

    first_at: datetime
    last_at: datetime
    event_at: datetime | None = None
    news: Decimal | None = None
    before: Decimal | None = None
    depeg_at: datetime | None = None
    delay: timedelta | None = None


@dataclass
class Noise:
    """The figures of one set of rules. Memory is bounded per entity.

    A *flap* is a `depeg` whose `repeg` comes within ten minutes, or an event whose step the next event of the entity
    has taken back by half or more within that time.
    """

    events: int = 0
    heartbeats: int = 0
    pairs: int = 0
    depeg_flaps: int = 0
    step_flaps: int = 0
    longest_silence: LongestSilence | None = None
    large_moves: LargeMoveCount = field(default_factory=LargeMoveCount)
    _said: dict[Key, _Said] = field(default_factory=dict)

    def see(self, key: Key, at: datetime, ended: LargeMove | None, begun: LargeMove | None) -> None:
        """Take note of a sample that is about to be judged, and of the large moves that end and begin with it."""
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = _Said(at, at)
        said.last_at = max(said.last_at, at)
        if ended is not None:
            self._end(ended)
        if begun is not None:
            said.delay = _AT_ONCE if _is_told(begun, said) else None

    def count(self, key: Key, report: Report, at: datetime, times: int, move: LargeMove | None) -> None:
        """Count an event, or equal heartbeats; `move` is the large one that goes on."""
        if report.reason is Reason.HEARTBEAT:
            self.heartbeats += times
            return
        self.events += times
        said = self._said[key]
        self._end_silence(key, said, at)
        self._count_flap(said, report, at)
        if move is not None and said.delay is None:
            said.delay = max(_AT_ONCE, at - move.begun_at)
        is_of_peg = report.reason in (Reason.DEPEG, Reason.REPEG)
        said.event_at, said.news, said.before = at, report.current, None if is_of_peg else report.previous

    def end(self, unfinished: list[LargeMove]) -> None:
        """Take note that the history is over, and of the large moves that were not."""
        for move in unfinished:
            self._end(move)
        for key, said in self._said.items():
            self._end_silence(key, said, said.last_at)

    @property
    def flaps(self) -> int:
        """Both kinds of flaps."""
        return self.depeg_flaps + self.step_flaps

    @property
    def entity_days(self) -> float:
        """The days from each entity's first sample to its last, added up."""
        return sum(((said.last_at - said.first_at) for said in self._said.values()), timedelta()) / _A_DAY

    @property
    def per_entity_day(self) -> float | None:
        """Events of an entity on a day; None where no time passed."""
        days = self.entity_days
        return self.events / days if days else None

    def document(self, top: int) -> dict[str, Any]:
        """The figures as JSON has them."""
        moves, silence = self.large_moves, self.longest_silence
        return {
            "events": self.events,
            "heartbeats": self.heartbeats,
            "entity_days": round(self.entity_days, 3),
            "events_per_entity_day": self.per_entity_day,
            "depeg_repeg_pairs": self.pairs,
            "flaps": {"depegs": self.depeg_flaps, "steps": self.step_flaps},
            "longest_silence": silence
            and {
                "chain": silence.key[0],
                "entity": silence.key[1],
                "since": format_time(silence.since),
                "seconds": silence.duration.total_seconds(),
            },
            "large_moves": moves.document(top),
        }

    def _end(self, move: LargeMove) -> None:
        said = self._said[move.key]
        if not move.is_spike:
            self.large_moves.count(move, said.delay)
        said.delay = None

    def _end_silence(self, key: Key, said: _Said, at: datetime) -> None:
        since = said.event_at or said.first_at
        if self.longest_silence is None or at - since > self.longest_silence.duration:
            self.longest_silence = LongestSilence(max(at - since, _AT_ONCE), since, key)

    def _count_flap(self, said: _Said, report: Report, at: datetime) -> None:
        if report.reason is Reason.DEPEG:
            said.depeg_at = at
        elif report.reason is Reason.REPEG:
            self.pairs += 1
            self.depeg_flaps += said.depeg_at is not None and at - said.depeg_at <= FLAP
            said.depeg_at = None
        elif said.event_at is not None and at - said.event_at <= FLAP:
            self.step_flaps += _takes_back(said.before, said.news, report.current)


def _is_told(begun: LargeMove, said: _Said) -> bool:
    """Whether an event has told of a large move before it was one."""
    if said.event_at is None or said.news is None or not said.news.is_finite():
        return False
    return begun.begun_at - said.event_at <= WINDOW and begun.is_half_reached(float(said.news))


def _takes_back(before: Decimal | None, news: Decimal | None, now: Decimal | None) -> bool:
    """Whether a value has taken back half of a step, or more."""
    if before is None or news is None or now is None or not all(one.is_finite() for one in (before, news, now)):
        return False
    step, way = float(news) - float(before), float(now) - float(news)
    return step * way < 0 and 2 * abs(way) >= abs(step)
