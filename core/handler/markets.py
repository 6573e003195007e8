"""Market-wide moves in a stream: found among the events of a batch, and committed before its entities move.

So a firing is remembered before its entity's move makes it a thing of the past. After a crash between the two it comes
again, and is remembered as before.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from core.detection.market import firing_of, judge_market
from core.detection.state import Sample
from core.handler.baselines import BaselineMove
from core.handler.change import Change
from core.handler.decision import Raised
from core.handler.memory import Memory
from core.log.rows import event_called
from core.redis_names import market_key
from core.settings.watches import EVERYWHERE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from core.detection.detector import Key
    from core.detection.market import Firing, MarketMemory
    from core.detection.report import Report
    from core.handler.baselines import Baselines
    from core.handler.decider import Decider
    from core.handler.decision import Decision
    from core.settings.models import Settings
    from rtp_client.event import Event


class _Fired(NamedTuple):
    """A firing: the place of its decision, its own among what that has raised, and the change."""

    decision: int
    raised: int
    change: Change
    firing: Firing


class WatchMove(NamedTuple):
    """What came of a watch's firings: the move to commit, and the decisions that it changes, by their places."""

    move: BaselineMove
    decisions: Mapping[int, Decision]


class StreamMarkets:
    """Judges the firings of batches; keeps nothing itself. `alerts_among` says which queues an event belongs in."""

    def __init__(
        self,
        settings: Settings,
        baselines: Baselines,
        decider: Decider,
        *,
        alerts_among: Callable[[Sequence[Event]], Mapping[str, Sequence[int]]],
    ) -> None:
        self._source = settings.source
        self._markets = {
            name: watch.market for name, watch in settings.watches.items() if watch.has_value and watch.market
        }
        self._baselines = baselines
        self._decider = decider
        self._alerts_among = alerts_among

    @property
    def are_watched(self) -> bool:
        """Whether any watch asks for its market-wide moves."""
        return bool(self._markets)

    def judge(
        self, names: Sequence[tuple[str, Key]], decisions: Sequence[Decision], now: datetime
    ) -> Sequence[WatchMove]:
        """The moves of the watches of which entities have fired. Raises SinkUnavailable."""
        fired: dict[str, list[_Fired]] = {}
        for index, ((watch, key), decision) in enumerate(zip(names, decisions, strict=True)):
            if watch not in self._markets:
                continue
            for place, (change, report) in enumerate((one.change, one.report) for one in decision.raised):
                firing = None if report is None else firing_of(key, report, change.sample.at)
                if firing is not None:
                    fired.setdefault(watch, []).append(_Fired(index, place, change, firing))
        return [self._judge(watch, found, decisions, now) for watch, found in fired.items()]

    def _judge(self, watch: str, fired: Sequence[_Fired], decisions: Sequence[Decision], now: datetime) -> WatchMove:
        was = self._baselines.load_market(watch)
        assert was.market is not None
        firings = [one.firing for one in fired]
        memory, report, marked = judge_market(
            was.market, firings, self._markets[watch], partial(self._baselines.count_entities, watch)
        )
        events: list[Event] = []
        if report is not None:
            events = [self._event(watch, report, f"{fired[0].change.event_id}.market", now)]
            memory = memory.begun(events[0].id)
        move = BaselineMove(
            market_key(watch),
            was,
            Memory(was.version + 1, market=memory),
            events,
            alerts=self._alerts_among(events),
        )
        return WatchMove(move, _marked([fired[number] for number in marked], fired, decisions, memory))

    def _event(self, watch: str, report: Report, event_id: str, now: datetime) -> Event:
        change = Change(watch, (EVERYWHERE.const, watch), "tick", event_id, Sample(None, now))
        row = self._decider.row(Raised(change, report), sequence=self._baselines.reserve(1), detected_at=now)
        return event_called(event_id, row, source=self._source)


def _marked(
    members: Sequence[_Fired], fired: Sequence[_Fired], decisions: Sequence[Decision], memory: MarketMemory
) -> Mapping[int, Decision]:
    """The decisions in which something has fired, those events marked that are part of the market-wide move."""
    found = {one.decision: decisions[one.decision] for one in fired}
    for one in members:
        raised = list(found[one.decision].raised)
        report = raised[one.raised].report
        assert report is not None
        told = replace(report, details={**report.details, "market": memory.event_id})
        raised[one.raised] = replace(raised[one.raised], report=told)
        found[one.decision] = replace(found[one.decision], raised=raised)
    return found
