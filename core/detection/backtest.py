"""What a watch's rules would have reported over a history; two sets of rules side by side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from core.detection.aside import is_ahead, is_rejected
from core.detection.detector import Detector
from core.detection.large_moves import LargeMoveFinder, Yardstick
from core.detection.market_count import MarketCount
from core.detection.noise import Noise
from core.errors import SettingsError
from rtp_client.event import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from core.detection.detector import Key
    from core.detection.history import Row
    from core.detection.large_moves import LargeMove
    from core.detection.report import Report
    from core.detection.state import Judgement, Sample
    from core.settings.models import Settings
    from core.settings.watches import ValueWatch

LARGE, LARGE_OF_PEGGED = 5.0, 1.0
"""From how many percent within 24 hours a move is large; of an entity with a peg in the first settings."""

_ROWS_PER_NEWS = 5000


class RuleSet(NamedTuple):
    """The rules of a watch in a settings file."""

    config: str
    watch: str
    rules: ValueWatch


@dataclass
class Tally:
    """The outcome of one set of rules over the history."""

    config: str
    watch: str
    detector: Detector
    max_future: timedelta | None = None
    last_at: datetime | None = None
    events: int = 0
    events_of_samples: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    severities: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    entities: Counter[Key] = field(default_factory=Counter)
    noise: Noise = field(default_factory=Noise)
    on_event: Callable[[Key, datetime, Report], None] | None = None
    market: MarketCount | None = None

    def takes(self, key: Key, sample: Sample, now: datetime) -> bool:
        """Whether a sample is to be judged; else it is set aside, and counted by why."""
        if is_ahead(sample.at, now, self.max_future):
            self.notes["future"] += 1
        elif is_rejected(sample.value, self.detector.rule(key)):
            self.notes["rejected"] += 1
        else:
            return True
        return False

    def wait(self, key: Key, until: datetime, move: LargeMove | None) -> None:
        """Judge an entity's silence before a moment; `move` is the large one that goes on."""
        for judgement, times in self.detector.wait(key, until):
            self._count(key, judgement, move, times)

    def judge(self, key: Key, sample: Sample, move: LargeMove | None) -> None:
        """Judge a sample."""
        if self.last_at is None or sample.at > self.last_at:
            self.last_at = sample.at
        judgement = self.detector.judge(key, sample)
        if judgement.report is not None:
            self.events_of_samples += 1
        self._count(key, judgement, move)

    def end(self, finder: LargeMoveFinder) -> None:
        """Judge the silence after each entity's last sample, up to and including the last of all."""
        if self.last_at is not None:
            for key in list(self.detector.states):
                self.wait(key, self.last_at + timedelta.resolution, finder.move_of(key))
        if self.market is not None:
            self._count_market(self.market, self.market.settle())
        self.noise.end(finder.unfinished())

    def _count(self, key: Key, judgement: Judgement, move: LargeMove | None, times: int = 1) -> None:
        if judgement.note is not None:
            self.notes[judgement.note] += times
        if judgement.report is not None:
            self.events += times
            self.reasons[judgement.report.reason.value] += times
            self.severities[judgement.report.severity.value] += times
            self.entities[key] += times
            at = judgement.state.reported_at
            self.noise.count(key, judgement.report, at, times, move)
            if self.on_event is not None:
                self.on_event(key, at, judgement.report)
            if self.market is not None:
                self._count_market(self.market, self.market.take(key, judgement.report, at))

    def _count_market(self, market: MarketCount, told: Report | None) -> None:
        self.notes["market"] = market.members
        if told is not None:
            self.events += 1
            self.reasons[told.reason.value] += 1
            self.severities[told.severity.value] += 1


@dataclass
class Backtest:
    """One reading of a history through one or two sets of rules: the new ones first.

    Nobody knows when a sample arrived, but that it was before `now`.
    """

    tallies: Sequence[Tally]
    large_percent: float | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    samples: int = 0
    unreadable: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None

    def __post_init__(self) -> None:
        self.finder = LargeMoveFinder(self.yardstick)

    def yardstick(self, key: Key) -> Yardstick:
        """What is a large move of an entity: of one with a peg in the first settings, its distance from that."""
        peg = self.tallies[0].detector.rule(key).peg
        if peg is None:
            return Yardstick(self.large_percent or LARGE)
        return Yardstick(self.large_percent or LARGE_OF_PEGGED, float(peg.value))

    def run(self, rows: Iterable[Row], on_progress: Callable[[int], None] = lambda _: None) -> None:
        """Judge every row; `on_progress` is called now and then with the number of rows so far."""
        for number, row in enumerate(rows, start=1):
            if row is None:
                self.unreadable += 1
            else:
                self.take(*row)
            if number % _ROWS_PER_NEWS == 0:
                on_progress(number)
        self.end()

    def end(self) -> None:
        """Judge the silence after the last samples."""
        for tally in self.tallies:
            tally.end(self.finder)

    def take(self, key: Key, sample: Sample) -> None:
        """Judge a sample, and the silence before it. Its entity is called as the first settings name it today."""
        key = self.tallies[0].detector.key_of(key)
        self.samples += 1
        takers = [tally for tally in self.tallies if tally.takes(key, sample, self.now)]
        if not takers:
            return
        if self.first_at is None or sample.at < self.first_at:
            self.first_at = sample.at
        if self.last_at is None or sample.at > self.last_at:
            self.last_at = sample.at
        before = self.finder.move_of(key)
        for tally in takers:
            tally.wait(key, sample.at, before)
        ended, begun = self.finder.see(key, sample) if len(takers) == len(self.tallies) else (None, None)
        move = self.finder.move_of(key)
        for tally in takers:
            tally.noise.see(key, sample.at, ended, begun)
            tally.judge(key, sample, move)

    def share(self, tally: Tally) -> float | None:
        """The share of samples that were events. Events that only time brought about do not count."""
        return tally.events_of_samples / self.samples if self.samples else None

    def top(self, count: int) -> list[tuple[Key, list[int]]]:
        """The entities with the most events, or with two sets of rules the biggest differences, and their events."""
        seen = sorted({key for tally in self.tallies for key in tally.entities})
        rows = [(key, [tally.entities[key] for tally in self.tallies]) for key in seen]
        return sorted(rows, key=lambda row: -_weight(row[1]))[:count]

    def document(self, top: int) -> dict[str, Any]:
        """The outcome as JSON has it."""
        return {
            "samples": self.samples,
            "unreadable": self.unreadable,
            "entities": len(self.tallies[0].detector.states),
            "first_at": self.first_at and format_time(self.first_at),
            "last_at": self.last_at and format_time(self.last_at),
            "results": [self._result(tally, top) for tally in self.tallies],
            "top": [{"chain": key[0], "entity": key[1], "events": events} for key, events in self.top(top)],
        }

    def _result(self, tally: Tally, top: int) -> dict[str, Any]:
        return {
            "config": tally.config,
            "watch": tally.watch,
            "events": tally.events,
            "share_of_samples": self.share(tally),
            "reasons": dict(tally.reasons.most_common()),
            "severities": dict(tally.severities.most_common()),
            "notes": dict(tally.notes.most_common()),
            "noise": tally.noise.document(top),
        }


def _weight(events: Sequence[int]) -> int:
    return events[0] if len(events) == 1 else abs(events[0] - events[1])


def new_tally(config: str, name: str, watch: ValueWatch) -> Tally:
    """A tally that has counted nothing. A history is judged as one, whatever the shape of the watch's own table."""
    detector = Detector(watch, shape="history")
    market = None if watch.market is None else MarketCount(watch.market, detector)
    return Tally(config, name, detector, watch.future_limit, market=market)


def choose_watch(
    settings: Settings, name: str | None, *, kind: str | None = None, table: Sequence[str] = ()
) -> tuple[str, ValueWatch]:
    """The watch for a history: the named one, else the table's own, else the only one of that kind.

    Raises SettingsError where no watch or several fit.
    """
    could_be = {key: watch for key, watch in settings.watches.items() if watch.has_value and kind in (None, watch.kind)}
    if name is not None:
        could_be = {key: watch for key, watch in could_be.items() if key == name}
    elif own := {key: watch for key, watch in could_be.items() if watch.table_parts == tuple(table)}:
        could_be = own
    if len(could_be) == 1:
        return next(iter(could_be.items()))
    what = f"watch of kind {kind}" if kind else "watch of values"
    if name is not None:
        raise SettingsError(f"the settings have no {what} called {name!r}", "Name one with --watch")
    found = f"several: {', '.join(could_be)}" if could_be else "none"
    raise SettingsError(f"the history needs one {what}; the settings have {found}", "Name one with --watch")
