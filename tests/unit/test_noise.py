"""What a backtest says of noise: events per entity-day, flaps, silences, and how soon large moves were told of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from core.detection.backtest import Backtest, choose_watch, new_tally
from core.detection.noise import Noise
from core.detection.state import Sample
from core.settings.models import Settings

NOON = datetime(2023, 3, 11, 12, tzinfo=UTC)
USDC, ETH = ("chainlink", "usdc"), ("chainlink", "eth")
PEGGED: dict[str, Any] = {"percent": 3, "peg": {"value": 1, "deviation_bps": 50}}


def measured(*entities: tuple[tuple[str, str], dict[int, str]], large: float | None = None, **rules: Any) -> Noise:
    """The noise of rules over values at minutes after noon."""
    columns = {"token": "token", "chain": "chain", "value": "price"}
    watch = {"kind": "price", "table": "prices", "columns": columns, "percent": 1, **rules}
    settings = Settings.model_validate({"watches": {"prices": watch}})
    rows = [
        (key, Sample(Decimal(value), NOON + timedelta(minutes=minute)))
        for key, values in entities
        for minute, value in values.items()
    ]
    result = Backtest([new_tally("rtp.yaml", *choose_watch(settings, None))], large)
    rows.sort(key=lambda row: row[1].at)
    result.run(rows)
    return result.tallies[0].noise


def delays(noise: Noise) -> list[float | None]:
    """In minutes, of each large move, the largest first."""
    return [None if told.delay is None else told.delay / timedelta(minutes=1) for told in noise.large_moves.largest]


def test_an_entity_s_days_are_from_its_first_sample_to_its_last() -> None:
    noise = measured((USDC, {0: "1", 1440: "1.02"}), (ETH, {720: "1", 1440: "1"}))
    assert (noise.entity_days, noise.events, noise.per_entity_day) == (1.5, 1, 1 / 1.5)


def test_without_time_there_is_no_rate() -> None:
    assert measured((USDC, {0: "1"})).per_entity_day is None


def test_heartbeats_are_counted_apart_and_end_no_silence() -> None:
    noise = measured((USDC, {0: "1", 180: "1"}), heartbeat="1h")
    assert (noise.events, noise.heartbeats) == (0, 3)
    assert noise.longest_silence == (timedelta(hours=3), NOON, USDC)


def test_the_longest_silence_is_between_two_events_of_an_entity() -> None:
    noise = measured((USDC, {0: "1", 30: "1.1", 100: "1.2", 110: "1.2"}))
    assert noise.longest_silence == (timedelta(minutes=70), NOON + timedelta(minutes=30), USDC)


def test_a_depeg_that_ends_within_ten_minutes_is_a_flap() -> None:
    noise = measured((USDC, {0: "1", 1: "0.99", 11: "1", 20: "0.99", 31: "1"}), **PEGGED)
    assert (noise.pairs, noise.depeg_flaps, noise.step_flaps) == (2, 1, 0)


def test_a_step_that_is_taken_back_by_half_within_ten_minutes_is_a_flap() -> None:
    noise = measured((ETH, {0: "100", 20: "110", 30: "105", 50: "120", 61: "105", 70: "109", 75: "120"}))
    assert (noise.events, noise.step_flaps) == (6, 1)


# Large moves


def test_a_move_that_an_event_tells_of_with_its_first_sample_is_told_at_once() -> None:
    noise = measured((ETH, {0: "100", 60: "94", 120: "93"}))
    assert (noise.large_moves.found, noise.large_moves.at_once, delays(noise)) == (1, 1, [0])


def test_a_move_that_was_told_of_on_its_way_is_told_at_once() -> None:
    noise = measured((ETH, {0: "100", 60: "97", 120: "94.5", 180: "94.5"}), percent=2.9)
    assert delays(noise) == [0]


def test_a_move_that_a_cooldown_holds_back_is_told_later() -> None:
    noise = measured((ETH, {0: "100", 10: "102", 20: "94", 90: "94"}), percent=2, cooldown="1h")
    assert (noise.large_moves.later, delays(noise)) == (1, [40])


def test_a_move_that_no_event_tells_of_is_missed() -> None:
    noise = measured((ETH, {0: "100", 60: "94", 120: "93"}), percent=10)
    assert (noise.large_moves.missed, delays(noise)) == (1, [None])


def test_a_spike_is_no_move_and_the_way_back_is_none() -> None:
    assert measured((ETH, {0: "100", 10: "50", 20: "100", 30: "100", 40: "100"})).large_moves.found == 0


def test_what_takes_longer_than_a_day_is_no_large_move() -> None:
    drift = {hour * 60: str(100 - hour * Decimal("0.1")) for hour in range(80)}
    assert measured((ETH, drift)).large_moves.found == 0


def test_there_and_back_are_two_moves() -> None:
    there_and_back = {0: "100", 60: "90", 120: "88", 180: "99", 240: "100"}
    moves = measured((ETH, there_and_back)).large_moves.largest
    assert [(told.move.start, told.move.farthest) for told in moves] == [(88, 100), (100, 88)]


def test_of_a_price_with_a_peg_the_distance_from_it_counts_however_long() -> None:
    noise = measured((USDC, {0: "1", 60: "0.98", 120: "0.97", 3000: "0.98", 6000: "1", 6001: "1"}), **PEGGED)
    assert [told.move.size for told in noise.large_moves.largest] == [3.0000000000000027]


def test_what_is_large_can_be_said() -> None:
    assert measured((ETH, {0: "100", 60: "98", 120: "98"}), large=2).large_moves.found == 1


def test_a_depeg_that_waits_is_told_when_its_time_is_up() -> None:
    rules: dict[str, Any] = {"peg": {"value": 1, "deviation_bps": 50, "for": "5m"}, "percent": 50}
    assert delays(measured((USDC, {0: "1", 60: "0.98", 120: "0.97"}), **rules)) == [5]
