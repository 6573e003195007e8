"""The market-wide moves of a history: events of one moment are judged together, as those of one transaction are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.detection.market import CALM, firing_of, judge_market

if TYPE_CHECKING:
    from datetime import datetime

    from core.detection.detector import Detector, Key
    from core.detection.market import Firing
    from core.detection.report import Report
    from core.settings.market import MarketWide


class MarketCount:
    """Counts the events that are part of a market-wide move. Their share is of the entities seen so far."""

    def __init__(self, market: MarketWide, detector: Detector) -> None:
        self.members = 0
        self._market = market
        self._detector = detector
        self._memory = CALM
        self._moves = 0
        self._firings: list[Firing] = []

    def take(self, key: Key, report: Report, at: datetime) -> Report | None:
        """Take the next event; the event of the market-wide move that those before it were, if they were one."""
        firing = firing_of(key, report, at)
        if firing is None:
            return None
        told = self.settle() if self._firings and self._firings[-1].at != at else None
        self._firings.append(firing)
        return told

    def settle(self) -> Report | None:
        """Judge the events that were taken."""
        if not self._firings:
            return None
        memory, report, marked = judge_market(
            self._memory, self._firings, self._market, lambda: len(self._detector.states)
        )
        if report is not None:
            self._moves += 1
            memory = memory.begun(str(self._moves))
        self._memory = memory
        self._firings = []
        self.members += len(marked)
        return report
