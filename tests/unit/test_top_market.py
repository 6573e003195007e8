"""What `rtp top` keeps of the market, which part of it is shown, and in which order."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from cli.top.market import MOST_EVENTS, MOST_POINTS, EntityKey, SeenMarket
from cli.top.pegs import peg_rows, pegs_of
from cli.top.selection import BoardSelection, parse_selection
from cli.top.sinks import state_in
from cli.top.sorting import sorted_movers
from core.demo.pegs import with_demo_pegs
from core.settings.peg import Peg
from core.sinks.settings import load_settings
from rtp_client import EventFilter, SettingsError
from tests.samples import NOON, make_event

NOW = NOON.timestamp()
LIDO = EntityKey("tvl", "ethereum", "lido")


def market_of(*values: tuple[float, str, str]) -> SeenMarket:
    """A market of one entity, whose value went from one to another so many minutes after noon."""
    market = SeenMarket()
    for sequence, (minutes, previous, current) in enumerate(values, 1):
        at = NOON + timedelta(minutes=minutes)
        market.take(make_event(sequence, previous=previous, current=current, detected_at=at))
    return market


def move(market: SeenMarket, minutes: float) -> float | None:
    return market.movers[LIDO].move_pct(NOW + minutes * 60)


def test_a_move_adds_up_over_the_last_15_minutes() -> None:
    market = market_of((0, "100", "101"), (5, "101", "103"), (10, "103", "106"))
    assert move(market, 10) == pytest.approx(6)
    assert move(market, 16) == pytest.approx((106 / 101 - 1) * 100)
    assert move(market, 21) == pytest.approx((106 / 103 - 1) * 100)


def test_what_has_not_moved_for_15_minutes_has_moved_by_nothing() -> None:
    assert move(market_of((0, "100", "101")), 30) == 0


def test_from_zero_and_to_null_there_is_no_move_in_percent() -> None:
    assert move(market_of((0, "0", "5")), 0) is None
    assert move(market_of((0, "5", "NaN")), 0) is None


def test_however_long_it_runs_it_keeps_so_many_events_and_values() -> None:
    market = market_of(*((n / 60, "100", "101") for n in range(MOST_EVENTS + 10)))
    assert (len(market.events), len(market.movers[LIDO].points), market.taken) == (
        MOST_EVENTS,
        MOST_POINTS,
        MOST_EVENTS + 10,
    )


def test_pegs_are_those_of_the_rules() -> None:
    settings = with_demo_pegs(load_settings(None, environ={}, options={}))
    peg_of = pegs_of(settings.watches.values())
    assert peg_of(EntityKey("price", "base", "usdc")) == Peg()
    assert peg_of(EntityKey("price", "base", "eth")) is None
    assert peg_of(EntityKey("tvl", "base", "usdc")) is None


def test_a_price_far_from_its_peg_is_off_also_where_nobody_knows_since_when() -> None:
    market = SeenMarket()
    market.take(make_event(1, "usdc", kind="price", previous="1", current="0.99", change_pct="-1"))
    (peg,) = peg_rows(market, lambda _: Peg(), {})
    assert (peg.is_off, peg.since, round(peg.distance_bps)) == (True, None, -100)


def test_what_has_not_the_value_that_is_sorted_by_comes_last() -> None:
    market = SeenMarket()
    for sequence, (name, pct) in enumerate((("a", None), ("b", "-7"), ("c", "3")), 1):
        market.take(make_event(sequence, name, change_pct=pct))
    names = [one.key.entity for one in sorted_movers(market.movers.values(), "change", NOW, is_reversed=False)]
    assert names == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("line", "wanted", "words"),
    [
        ("", EventFilter(), ()),
        ("usd base", EventFilter(), ("usd", "base")),
        ("kind:price,tvl token:usd* usd", EventFilter(kind=("price", "tvl"), entity="usd*"), ("usd",)),
        (
            "min:2 severity:warning reason:depeg,repeg",
            EventFilter(min_pct=Decimal(2), severity="warning", reason=("depeg", "repeg")),
            (),
        ),
        ("chain:", EventFilter(), ()),
    ],
)
def test_a_filter_is_written_in_one_line(line: str, wanted: EventFilter, words: tuple[str, ...]) -> None:
    selection = parse_selection(line)
    assert (selection, parse_selection(str(selection))) == (BoardSelection(wanted, words), selection)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("size:3", "size: is no part of a filter"),
        ("min:lots", "filter.min_pct: must be a number of percent"),
        ("severity:bad", "filter.severity: must be one of info, warning, critical"),
    ],
)
def test_what_is_no_filter_is_refused_with_what_is(line: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        parse_selection(line)


def test_of_a_stream_source_tables_stand_for_sinks() -> None:
    shard = {"lag_seconds": 3.5, "progress": {"events": 7, "dead_letters": 1}}
    table = {"table": "defi-tvl", "status": "ACTIVE", "problem": None, "shards": [shard, shard]}
    (row,) = state_in({"tables": [table], "letters": []}).sinks
    assert (row.sink, row.state, row.lag_seconds, row.delivered, row.dead_letters) == ("defi-tvl", "active", 3.5, 14, 2)


def test_without_a_running_rtp_that_is_what_is_in_the_way() -> None:
    sink = {"sink": "redis", "lag_events": 3, "lag_seconds": 9.0, "dead_letters": 0, "is_alarming": False}
    state = state_in({"sinks": [sink], "processes": [], "watches": []})
    assert (state.sinks[0].state, state.troubles) == ("no rtp run", ("no rtp run is active: nothing is delivered",))


def test_a_row_that_could_not_be_judged_is_in_the_way_for_an_hour() -> None:
    def told(occurred_at: str) -> tuple[str, ...]:
        error = {"watch": "tvl", "message": "the chain is empty", "occurred_at": occurred_at}
        return state_in({"at": "2026-11-24T12:00:00Z", "trigger_errors": [error]}).troubles

    assert told("2026-11-24T11:30:00Z") == ("watch tvl: the chain is empty",)
    assert told("2026-11-24T10:30:00Z") == ()


def test_an_entity_that_is_called_otherwise_is_no_second_one() -> None:
    market = market_of((0, "100", "101"))
    former = {"previous_chain": "ethereum", "previous_entity": "lido"}
    market.take(make_event(9, "lido-v2", reason="renamed", details=json.dumps(former)))
    assert [key.entity for key in market.movers] == ["lido-v2"]
