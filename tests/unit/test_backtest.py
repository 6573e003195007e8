"""Backtests: what is counted, which watch is meant, and the known figures of real history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.detection.backtest import Backtest, choose_watch, new_tally
from core.detection.history import FileHistory
from core.detection.noise import Noise
from core.detection.state import Sample
from core.errors import SettingsError
from core.settings.models import Settings
from core.sinks.settings import load_settings
from tests.effort import IS_LONG, daily_tvl

NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIDO, AAVE = ("ethereum", "lido"), ("ethereum", "aave")
SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CONFIGS = Path(__file__).resolve().parents[2] / "configs"
needs_shared_data = pytest.mark.skipif(not SHARED_DATA.is_dir(), reason=f"{SHARED_DATA} is not on this machine")


def settings(**watches: dict[str, Any]) -> Settings:
    return Settings.model_validate({"watches": watches})


def tvl(table: str = "tvl", **keys: Any) -> dict[str, Any]:
    return {"kind": "tvl", "table": table, "columns": {"protocol": "protocol", "value": "tvl"}, **keys}


def price(**keys: Any) -> dict[str, Any]:
    return {"kind": "price", "table": "prices", "columns": {"token": "token", "value": "price"}, **keys}


PROTOCOLS = {"kind": "protocol", "table": "p", "columns": {"protocol": "id"}, "watched": ["name"]}


def rows(key: tuple[str, str], *values: str) -> list[tuple[tuple[str, str], Sample] | None]:
    return [(key, Sample(Decimal(value), NOON + HOUR * hour)) for hour, value in enumerate(values)]


def backtest(found: list[tuple[tuple[str, str], Sample] | None], *rules: dict[str, Any]) -> Backtest:
    tallies = [
        new_tally(f"{place}.yaml", *choose_watch(settings(tvl=tvl(**keys)), None)) for place, keys in enumerate(rules)
    ]
    result = Backtest(tallies)
    result.run(found)
    return result


def test_samples_under_a_former_name_are_the_entitys_of_today() -> None:
    found = [*rows(("ethereum", "lido-dao"), "100"), (LIDO, Sample(Decimal(102), NOON + HOUR))]
    (tally,) = backtest(found, {"aliases": {"lido-dao": "lido"}}).tallies
    assert (tally.reasons, tally.entities) == ({"deviation": 1}, {LIDO: 1})


def test_a_sample_of_the_future_is_counted_and_brings_no_silence_with_it() -> None:
    ahead = [(LIDO, Sample(Decimal(500), datetime(2200, 1, 1, tzinfo=UTC)))]
    result = backtest([*rows(LIDO, "100", "102"), *ahead], {"heartbeat": "1d"}, {"max_future": "off"})
    bounded, unbounded = result.tallies
    assert (bounded.reasons, bounded.notes) == ({"deviation": 1}, {"future": 1})
    assert (unbounded.reasons["deviation"], unbounded.notes) == (2, {})


def test_market_wide_moves_and_their_members_are_counted() -> None:
    names = [("ethereum", name) for name in "abcd"]
    history = [
        (key, Sample(Decimal(value), NOON + HOUR * hour)) for hour, value in enumerate((100, 90)) for key in names
    ]
    (tally,) = backtest([*history], {"market": {"min_entities": 4}}).tallies
    assert (tally.events, tally.reasons) == (5, {"deviation": 4, "market_moved": 1})
    assert tally.notes == {"market": 4}


def test_events_are_counted_by_reason_severity_and_entity() -> None:
    result = backtest([*rows(LIDO, "100", "102", "102.1", "0"), *rows(AAVE, "5", "6")], {})
    (tally,) = result.tallies
    assert tally.events == 3
    assert tally.reasons == {"deviation": 2, "to_zero": 1}
    assert tally.severities == {"info": 1, "critical": 2}
    assert tally.entities == {LIDO: 2, AAVE: 1}
    assert result.share(tally) == 0.5


def test_the_span_and_the_rows_that_hold_no_sample() -> None:
    result = backtest([None, *rows(LIDO, "1", "1"), None], {})
    assert (result.samples, result.unreadable) == (2, 2)
    assert (result.first_at, result.last_at) == (NOON, NOON + HOUR)


def test_an_empty_history() -> None:
    result = backtest([], {})
    assert (result.samples, result.share(result.tallies[0]), result.top(5)) == (0, None, [])
    assert result.document(5)["first_at"] is None


def test_late_and_repeated_samples_are_counted_even_for_a_latest_table() -> None:
    found = [*rows(LIDO, "100", "200"), *rows(LIDO, "300"), *rows(LIDO, "100", "200")[1:]]
    (tally,) = backtest(found, {"shape": "latest"}).tallies
    assert (tally.events, tally.notes) == (1, {"late": 1, "duplicate": 1})


def test_time_between_samples_passes_as_it_did() -> None:
    """A heartbeat every two hours: at 2, 4, and after the last sample of this entity at 6, up to the end at 7."""
    found = [*rows(LIDO, "100", "100", "100", "100", "100.1"), *rows(AAVE, *["0"] * 8)]
    result = backtest(found, {"heartbeat": "2h", "overrides": [{"protocol": "aave", "heartbeat": "0s"}]})
    (tally,) = result.tallies
    assert tally.reasons == {"heartbeat": 3}
    assert tally.events_of_samples == 2


def test_a_heartbeat_due_with_the_last_sample_of_all_counts() -> None:
    (tally,) = backtest([*rows(LIDO, "100"), *rows(AAVE, "0", "1")], {"heartbeat": "1h"}).tallies
    assert tally.entities == {LIDO: 1, AAVE: 1}


def test_two_sets_of_rules_side_by_side_with_the_biggest_differences_first() -> None:
    found = [*rows(LIDO, "100", "101.5", "103.5", "105.5"), *rows(AAVE, "100", "103")]
    result = backtest(found, {"percent": 1}, {"percent": 2})
    assert [tally.events for tally in result.tallies] == [4, 2]
    assert result.top(9) == [(LIDO, [3, 1]), (AAVE, [1, 1])]
    assert result.top(1) == [(LIDO, [3, 1])]


def test_progress_is_told_now_and_then() -> None:
    told: list[int] = []
    Backtest([new_tally("a", *choose_watch(settings(tvl=tvl()), None))]).run([None] * 12_000, told.append)
    assert told == [5000, 10_000]


# Which watch


def test_the_only_watch_that_could_be_meant() -> None:
    assert choose_watch(settings(a=tvl(), b=price(), c=PROTOCOLS), None, kind="price")[0] == "b"


def test_the_table_s_own_watch_before_others() -> None:
    both = settings(a=tvl("one"), b=tvl("two"))
    assert choose_watch(both, None, table=("public", "two"))[0] == "b"


def test_the_watch_that_is_named() -> None:
    assert choose_watch(settings(a=tvl("one"), b=tvl("two")), "b", table=("public", "one"))[0] == "b"


@pytest.mark.parametrize(
    ("name", "kind", "complaint"),
    [
        (None, "tvl", "needs one watch of kind tvl; the settings have several: a, b"),
        (None, None, "needs one watch of values; the settings have several: a, b"),
        (None, "price", "needs one watch of kind price; the settings have none"),
        ("x", None, "no watch of values called 'x'"),
        ("a", "price", "no watch of kind price called 'a'"),
        ("c", None, "no watch of values called 'c'"),
    ],
)
def test_no_watch_or_several(name: str | None, kind: str | None, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        choose_watch(settings(a=tvl("one"), b=tvl("two"), c=PROTOCOLS), name, kind=kind)


# Real history; shared/data/README.md gives the figures


@pytest.fixture
def tvl_of_years(tmp_path: Path) -> Path:
    return daily_tvl(SHARED_DATA / "tvl_protocol_chain_daily.csv.gz", tmp_path)


def of_file(path: Path, *comparisons: str) -> list[int]:
    history = FileHistory.open(path)
    watch_name, watch = choose_watch(load_settings(None, environ={}, options={}), None, kind=history.kind)
    watches = [watch.model_copy(update={"compare_with": comparison}) for comparison in comparisons]
    result = Backtest([new_tally("default", watch_name, one) for one in watches])
    result.run(history.rows())
    return [result.samples, *(tally.events for tally in result.tallies)]


@needs_shared_data
@pytest.mark.no_cover  # it is slow enough without
@pytest.mark.timeout(600)
def test_tvl_of_five_years(tvl_of_years: Path) -> None:
    """From zero and to zero are events too, and a gap is a step like any other."""
    counts = of_file(tvl_of_years, "previous_row", "last_event")
    assert counts == ([398_953, 240_411, 243_852] if IS_LONG else [9290, 4882, 5006])


@needs_shared_data
def test_usdc_of_a_month() -> None:
    """The 915 are counted against the previous row; against the last event it is one less."""
    assert of_file(SHARED_DATA / "stablecoin_prices_15min_2024.csv", "previous_row", "last_event") == [2169, 915, 914]


def told_by(config: str, history: FileHistory) -> tuple[dict[str, int], Noise]:
    """The events that a file of configs/ raises, by reason and without heartbeats; and their noise."""
    settings = load_settings(CONFIGS / config, environ={}, options={})
    result = Backtest([new_tally(config, *choose_watch(settings, None, kind=history.kind))])
    result.run(history.rows())
    (tally,) = result.tallies
    return {reason: count for reason, count in tally.reasons.items() if reason != "heartbeat"}, tally.noise


def a_day(noise: Noise) -> float:
    assert noise.per_entity_day is not None
    return noise.per_entity_day


@needs_shared_data
def test_a_month_of_a_stablecoin_at_its_peg_is_few_events() -> None:
    history = FileHistory.open(SHARED_DATA / "stablecoin_prices_15min_2024.csv")
    reasons, noise = told_by("stablecoins.yaml", history)
    assert reasons == {"depeg": 1, "escalated": 1}  # of a pool whose price jumps to and fro by 0.6 %
    assert a_day(noise) < 0.1
    assert noise.flaps == 0


@needs_shared_data
def test_the_depeg_of_march_2023_is_told_once_with_its_worst_tier() -> None:
    history = FileHistory.open(SHARED_DATA / "price_chainlink_usdc_usd_rounds_2022-11_2023-03.csv")
    reasons, noise = told_by("stablecoins.yaml", history)
    assert reasons == {"depeg": 1, "escalated": 2}
    assert a_day(noise) < 0.03
    assert (noise.large_moves.found, noise.large_moves.at_once) == (1, 1)


@needs_shared_data
def test_a_stablecoin_in_a_pool_is_few_events_too() -> None:
    history = FileHistory.open(SHARED_DATA / "stablecoin_prices_15min_2024.csv")
    reasons, _ = told_by("dex.yaml", history)
    assert set(reasons) <= {"depeg", "repeg"}


@needs_shared_data
@pytest.mark.no_cover
@pytest.mark.timeout(600)
def test_five_years_of_tvl_are_an_event_in_ten_days_of_an_entity(tvl_of_years: Path) -> None:
    _, noise = told_by("lending.yaml", FileHistory.open(tvl_of_years))
    assert a_day(noise) < 0.15


def test_rounds_of_chainlink_are_prices_of_the_token_in_the_file_s_name(tmp_path: Path) -> None:
    path = tmp_path / "price_chainlink_usdc_usd_rounds.csv"
    path.write_text("# a comment\nroundId,answer,updatedAt,phaseId\n1,99998000,1678490100,2\n")
    history = FileHistory.open(path)
    assert history.kind == "price"
    assert list(history.rows()) == [
        (("chainlink", "usdc"), Sample(Decimal("0.99998"), datetime(2023, 3, 10, 23, 15, tzinfo=UTC)))
    ]
