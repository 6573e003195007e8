"""MarketWide-wide moves: entities of a watch that fire at once are one event, and say that they are part of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.detection.market import (
    CALM,
    MOST_MEMBERS,
    Firing,
    MarketJudgement,
    MarketMemory,
    firing_of,
    judge_market,
    market_of,
    market_text,
)
from core.detection.report import Report
from core.settings.market import MarketWide
from rtp_client.event import Reason, Severity

NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OF_TEN = MarketWide(share=Decimal("0.3"), min_entities=4)


class Watched:
    """A watch of ten entities. A firing is spelled by the entity, the second and its change in percent."""

    def __init__(self, market: MarketWide = OF_TEN, entities: int = 10) -> None:
        self.market = market
        self.entities = entities
        self.memory = CALM
        self.values: dict[str, Decimal] = {}
        self.told: list[Report] = []

    def fires(self, *firings: tuple[str, float, str], severity: Severity = Severity.INFO) -> list[str]:
        """Judge firings that are told together: which of them are part of a market-wide move."""
        judgement = self.judge([self._firing(*firing, severity) for firing in firings])
        return [firings[place][0] for place in judgement.marked]

    def judge(self, firings: list[Firing]) -> MarketJudgement:
        judgement = judge_market(self.memory, firings, self.market, lambda: self.entities)
        self.memory = judgement.memory
        if judgement.report is not None:
            self.told.append(judgement.report)
            self.memory = self.memory.begun(f"event {len(self.told)}")
        return judgement

    def _firing(self, name: str, second: float, percent: str, severity: Severity) -> Firing:
        before = self.values.get(name, Decimal(200))
        now = self.values[name] = before * (100 + Decimal(percent)) / 100
        return Firing(("base", name), NOON + SECOND * second, before, now, severity)


def all_fall(second: float, *names: str, percent: str = "-5") -> list[tuple[str, float, str]]:
    return [(name, second, percent) for name in names]


def test_more_than_a_share_that_fires_at_once_is_one_event() -> None:
    watched = Watched()
    assert watched.fires(("a", 0, "-4"), ("b", 1, "-6"), ("c", 2, "-5"), ("d", 3, "-20")) == ["a", "b", "c"]
    (report,) = watched.told
    assert (report.reason, report.current, report.change_pct) == (Reason.MARKET_MOVED, Decimal(94), "-6")
    assert report.details["direction"] == "down"
    assert (report.details["moved_entities"], report.details["watched_entities"]) == (4, 10)
    assert report.details["largest"][:2] == [
        {"chain": "base", "entity": "d", "change_pct": "-20"},
        {"chain": "base", "entity": "b", "change_pct": "-6"},
    ]


def test_who_differs_from_the_median_by_more_than_beyond_is_an_alert_of_its_own() -> None:
    assert Watched().fires(*all_fall(0, "a", "b", "c"), ("d", 0, "-15"), ("e", 0, "-15.1"), ("f", 0, "5.1")) == list(
        "abcd"
    )


@pytest.mark.parametrize(("entities", "names"), [(10, "abc"), (100, "abcdefgh"), (6, "abc")])
def test_fewer_than_share_or_min_entities_are_alerts_of_their_own(entities: int, names: str) -> None:
    watched = Watched(entities=entities)
    assert (watched.fires(*all_fall(0, *names)), watched.told) == ([], [])


def test_those_that_fired_longer_ago_than_within_do_not_count() -> None:
    watched = Watched()
    assert watched.fires(*all_fall(0, "a", "b")) == []
    assert watched.fires(*all_fall(61, "c", "d")) == []
    assert watched.fires(*all_fall(100, "e", "f")) == ["e", "f"]


def test_who_fires_later_is_part_of_it_until_it_is_calm_again() -> None:
    watched = Watched()
    watched.fires(*all_fall(0, "a", "b", "c", "d"))
    assert watched.fires(*all_fall(50, "e", "f")) == ["e", "f"]
    assert watched.fires(("g", 170, "-5")) == []
    assert watched.memory.event_id is None
    assert watched.fires(*all_fall(200, "h", "i", "a")) == ["h", "i", "a"]
    assert len(watched.told) == 2


def test_a_market_that_falls_on_has_fallen_by_the_whole_of_it() -> None:
    watched = Watched()
    watched.fires(*all_fall(0, "a", "b", "c", "d", percent="-10"))
    watched.fires(*all_fall(20, "a", "b", "c", "d", percent="-10"), severity=Severity.WARNING)
    assert [report.change_pct for report in watched.told] == ["-10", "-19"]
    assert watched.fires(("e", 21, "-5")) == []  # 14 points from the median


def test_a_worse_member_makes_it_another_event_which_later_members_name() -> None:
    watched = Watched()
    watched.fires(*all_fall(0, "a", "b", "c", "d"))
    watched.fires(*all_fall(1, "e"))
    watched.fires(("f", 2, "-9"), severity=Severity.CRITICAL)
    watched.fires(("f", 3, "-1"), severity=Severity.CRITICAL)
    assert [report.severity for report in watched.told] == [Severity.INFO, Severity.CRITICAL]
    assert watched.memory.event_id == "event 2"


def test_firings_from_before_it_began_are_no_part_of_it() -> None:
    watched = Watched()
    watched.fires(*all_fall(1000, "a", "b", "c", "d"))
    assert watched.fires(("e", 0, "-5")) == []


def test_firings_that_come_again_change_nothing() -> None:
    watched = Watched()
    firings = [Firing(("base", name), NOON, Decimal(100), Decimal(95), Severity.INFO) for name in "abcd"]
    watched.judge(firings)
    before = watched.memory
    assert watched.judge(firings).marked == [0, 1, 2, 3]
    assert (watched.memory, len(watched.told)) == (before, 1)


def test_so_many_as_are_remembered_are_the_market_however_many_there_are() -> None:
    watched = Watched(entities=1_000_000)
    assert len(watched.fires(*all_fall(0, *map(str, range(MOST_MEMBERS + 5))))) == MOST_MEMBERS + 5
    assert len(watched.memory.members) == MOST_MEMBERS


@pytest.mark.parametrize("reason", [Reason.DEPEG, Reason.ESCALATED, Reason.REPEG, Reason.HEARTBEAT])
def test_pegs_and_heartbeats_are_no_part_of_it(reason: Reason) -> None:
    assert firing_of(("base", "a"), Report(Decimal(1), Decimal("0.9"), reason, Severity.CRITICAL), NOON) is None


def test_what_has_no_percentage_is_no_part_of_it() -> None:
    assert firing_of(("base", "a"), Report(Decimal(0), Decimal(1), Reason.MOVED, Severity.INFO), NOON) is None


def remembered() -> list[MarketMemory]:
    watched = Watched()
    watched.fires(('ünï, "x"', 0, "-4.000001"))
    calm = watched.memory
    watched.fires(*all_fall(1, "b", "c", "d"), severity=Severity.WARNING)
    return [CALM, calm, watched.memory]


@pytest.mark.parametrize("memory", remembered())
def test_what_is_remembered_is_read_as_it_was_written(memory: MarketMemory) -> None:
    assert market_of(market_text(memory)) == memory


def test_nothing_is_remembered_at_first() -> None:
    nothing: list[Any] = [None, ""]
    assert [market_of(text) for text in nothing] == [CALM, CALM]
