"""Moves over time: a value beside the one of so long ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.detection.detector import Detector
from core.detection.memory import MoveMemory, OffPeg, RuleMemory, memory_of, memory_text
from core.detection.moves import STEPS, close_steps, judge_moves, step_of, value_before
from core.detection.state import Sample
from core.settings.moves import MoveRule
from rtp_client.event import Severity
from tests.watches import value_watch

NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = {"over": "1h", "percent": 5}


class Watched:
    """An entity of a history whose other rules have nothing to say; values by minutes from noon on."""

    def __init__(self, *moves: dict[str, Any], **rules: Any) -> None:
        watch = value_watch("price", shape="history", **{"percent": 1000, "moves": list(moves), **rules})
        self.detector = Detector(watch)

    def sees(self, *values: tuple[float, str | None]) -> list[str | None]:
        """What each is told as: reason, and from which value to which."""
        return [self._sees(minute, value) for minute, value in values]

    def passes(self, minute: float) -> list[str]:
        """What time alone tells until then."""
        found = [one.report for one, _ in self.detector.wait(("ethereum", "eth"), NOON + MINUTE * (minute + 0.001))]
        return [f"{one.reason} {one.previous} {one.current}" for one in found if one is not None]

    def _sees(self, minute: float, value: str | None) -> str | None:
        number = None if value is None else Decimal(value)
        report = self.detector.feed("ethereum", "eth", Sample(number, NOON + MINUTE * minute))
        return None if report is None else f"{report.reason} {report.previous} {report.current}"


def test_a_change_from_the_value_of_so_long_ago_is_an_event() -> None:
    assert Watched(HOUR).sees((0, "100"), (30, "102"), (61, "105")) == [None, None, "moved 100 105"]


def test_the_event_tells_within_which_time() -> None:
    watched = Watched(HOUR)
    watched.sees((0, "100"))
    report = watched.detector.feed("ethereum", "eth", Sample(Decimal(106), NOON + 61 * MINUTE))
    assert report is not None
    assert (report.details, report.change_pct, report.severity) == ({"over_seconds": 3600.0}, "6", Severity.WARNING)


def test_a_slow_drift_is_none() -> None:
    values = [(20.0 * number, str(100 + number)) for number in range(60)]
    assert not any(Watched(HOUR).sees(*values))


def test_what_moved_long_ago_counts_no_more() -> None:
    assert Watched(HOUR).sees((0, "100"), (10, "104"), (80, "105"), (150, "109")) == [None] * 4


def test_while_less_is_known_the_oldest_value_stands_for_it() -> None:
    assert Watched(HOUR).sees((0, "100"), (5, "105")) == [None, "moved 100 105"]


def test_a_gap_has_the_value_before_it() -> None:
    assert Watched(HOUR).sees((0, "100"), (600, "106")) == [None, "moved 100 106"]


GUARD = {"factor": 2, "confirmations": 3, "release_after": "5m"}


def test_the_value_before_a_quarantine_is_of_its_own_time() -> None:
    watched = Watched(HOUR, glitch_guard=GUARD)
    assert not any(watched.sees((0, "100"), (2, "103"), (50, "1000"), (51, "103"), (65, "107")))


def test_what_was_in_quarantine_and_is_released_is_the_value_of_its_time() -> None:
    watched = Watched(HOUR, glitch_guard=GUARD)
    watched.sees((0, "100"), (10, "1000"))
    watched.passes(16)
    assert watched.sees((80, "900")) == ["moved 1000 900"]


def test_time_alone_is_no_move() -> None:
    watched = Watched({"over": "5m", "percent": 5}, peg={"deviation_bps": 2000, "for": "1h"}, heartbeat="20m")
    assert watched.sees((0, "1"), (1, "1"), (2, "0.7")) == [None, None, "moved 1 0.7"]
    assert watched.sees((3, "0.73"), (10, "0.7"), (12, "0.74")) == [None, None, None]
    assert watched.passes(22) == ["heartbeat 0.7 0.74"]


def test_it_is_told_once_until_half_of_it_is_left() -> None:
    watched = Watched(HOUR)
    values = ("100", "105", "107", "103", "105", "102.4", "105")
    told = watched.sees(*((3.0 * number, value) for number, value in enumerate(values)))
    assert told == [None, "moved 100 105", None, None, None, None, "moved 100 105"]


def test_the_other_way_is_another_move() -> None:
    watched = Watched(HOUR)
    assert watched.sees((0, "100"), (3, "105"), (6, "95")) == [None, "moved 100 105", "moved 100 95"]


@pytest.mark.parametrize(
    ("direction", "told"), [("up", [None, None, "moved 100 110"]), ("down", [None, "moved 100 90", None])]
)
def test_a_direction_leaves_the_other_out(direction: str, told: list[str | None]) -> None:
    assert Watched(HOUR | {"direction": direction}).sees((0, "100"), (5, "90"), (10, "110")) == told


def test_several_moves_are_told_one_a_sample() -> None:
    watched = Watched(HOUR, {"over": "1d", "percent": 5})
    assert watched.sees((0, "100"), (70, "106"), (71, "106"), (72, "106")) == [
        None, "moved 100 106", "moved 100 106", None,
    ]  # fmt: skip


def test_a_move_comes_before_a_deviation_and_moves_the_baseline() -> None:
    watched = Watched(HOUR, percent=1)
    assert watched.sees((0, "100"), (5, "106"), (6, "106.5")) == [None, "moved 100 106", None]


def test_a_cooldown_holds_no_move_back() -> None:
    watched = Watched(HOUR, percent=1, cooldown="1d")
    assert watched.sees((0, "100"), (5, "102"), (6, "106")) == [None, None, "moved 100 106"]


@pytest.mark.parametrize("value", [None, "NaN", "Infinity"])
def test_what_is_no_number_is_no_value_of_before(value: str | None) -> None:
    assert Watched(HOUR).sees((0, "100"), (5, value), (65, "106"))[2] == "moved 100 106"


def test_from_zero_nothing_has_a_percentage() -> None:
    assert Watched(HOUR, min_change="1e9").sees((0, "0"), (5, "10"), (70, "10")) == [None] * 3


def test_a_late_sample_changes_nothing() -> None:
    watched = Watched(HOUR)
    watched.sees((0, "100"), (30, "100"))
    before = watched.detector.states
    watched.sees((10, "50"))
    assert watched.detector.states == before


def test_what_is_remembered_is_bounded() -> None:
    watched = Watched(HOUR)
    watched.sees(*((0.5 * number, str(100 + number % 3)) for number in range(1000)))
    (known,) = watched.detector.states["ethereum", "eth"].memory.moves.values()
    assert len(known.steps) <= STEPS + 1


SAMPLES = st.lists(st.tuples(st.integers(1, 400), st.integers(90, 110)), min_size=1, max_size=60)


@given(SAMPLES)
def test_the_value_of_before_is_the_last_of_a_step_that_ended_so_long_ago(samples: list[tuple[int, int]]) -> None:
    move, memory = MoveRule.model_validate(HOUR), dict[str, MoveMemory]()
    seen: list[tuple[datetime, Decimal]] = []
    at = NOON
    for seconds, value in samples:
        at += timedelta(seconds=seconds)
        if seen:
            memory = dict(close_steps(memory, [move], seen[-1][1], seen[-1][0], at))
        memory = dict(judge_moves(memory, [move], Decimal(value), at)[0])
        long_ago = [number for moment, number in seen if step_of(moment, move) <= step_of(at, move) - STEPS]
        oldest = [n for m, n in seen if step_of(m, move) == step_of(seen[0][0], move)] if seen else []
        is_over = bool(seen) and step_of(seen[0][0], move) < step_of(at, move)
        expected = long_ago[-1] if long_ago else (oldest[-1] if is_over else None)
        assert value_before(memory.get(move.name, MoveMemory()), move, at) == expected
        seen.append((at, Decimal(value)))


MOMENTS = st.datetimes(timezones=st.just(UTC))
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False)
SEVERITIES = st.none() | st.sampled_from(Severity)
STEP_LISTS = st.lists(st.tuples(st.integers(0, 10**9), AMOUNTS), max_size=5).map(tuple)
MEMORIES = st.builds(
    RuleMemory,
    off_peg=st.none() | st.builds(OffPeg, AMOUNTS, SEVERITIES, st.none() | MOMENTS, SEVERITIES, st.none() | MOMENTS),
    before_jump=st.none() | AMOUNTS,
    moves=st.dictionaries(
        st.text(), st.builds(MoveMemory, STEP_LISTS, st.sampled_from([None, "up", "down"])), max_size=3
    ),
)


@given(MEMORIES)
def test_what_is_remembered_survives_being_written_down(memory: RuleMemory) -> None:
    assert memory_of(memory_text(memory)) == memory
