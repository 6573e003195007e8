"""The lines that `rtp explain` draws are the rule book's: a step inside is nothing, one that reaches them an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.detection.distance import distance, firing_values
from core.detection.guard import is_jump
from core.detection.peg import is_as_far
from core.detection.verdict import verdict
from core.settings.guard import GlitchGuard
from core.settings.peg import Peg
from core.settings.rules import Rule
from core.settings.watches import SeverityTiers

NOW = datetime(2024, 3, 19, tzinfo=UTC)
TINY = Decimal("1e-12")


def rule(percent: Decimal | int = 1, min_change: Decimal | int = 0, **keys: object) -> Rule:
    rest = {"heartbeat": None, "cooldown": None, "glitch_guard": None, "peg": None} | keys
    return Rule(Decimal(percent), Decimal(min_change), emit_first=False, severity=SeverityTiers(), **rest)  # type: ignore[arg-type]


def amounts(low: int, high: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(low, high, places=4, allow_nan=False, allow_infinity=False)


@given(baseline=amounts(-1000, 1000), percent=amounts(0, 300), min_change=amounts(0, 50))
def test_the_lines_are_where_events_begin(baseline: Decimal, percent: Decimal, min_change: Decimal) -> None:
    applied = rule(percent, min_change)
    below, above = firing_values(baseline, applied)
    assert below is not None
    assert above is not None
    for line, outwards in ((below, -TINY), (above, TINY)):
        if line == baseline:  # any change fires, and this is none
            assert verdict(baseline, line + outwards, applied) is not None
        else:
            assert verdict(baseline, line, applied) is not None
            assert verdict(baseline, line - outwards, applied) is None


def test_reaching_zero_counts_before_the_percentage() -> None:
    assert firing_values(Decimal(100), rule(150)) == (Decimal(0), Decimal(250))
    assert firing_values(Decimal(-100), rule(150)) == (Decimal(-250), Decimal(0))


def test_zero_that_is_too_near_does_not_count() -> None:
    assert firing_values(Decimal(3), rule(1, 5)) == (Decimal(-2), Decimal(8))


@pytest.mark.parametrize("baseline", [None, Decimal("NaN"), Decimal("Infinity")])
def test_without_a_number_to_compare_with_there_are_no_lines(baseline: Decimal | None) -> None:
    assert firing_values(baseline, rule()) == (None, None)


def test_the_step_is_given_as_an_event_would_give_it() -> None:
    far = distance(Decimal("100"), NOW, Decimal("100.40"), rule())
    assert (far.change, far.change_pct, far.reason) == ("0.40", "0.4", None)
    assert distance(Decimal("100"), NOW, Decimal("98"), rule()).reason == "deviation"


def test_the_pegs_lines() -> None:
    peg = Peg(value=Decimal(1), deviation_bps=Decimal(50))
    far = distance(Decimal(1), NOW, Decimal(1), rule(peg=peg))
    assert far.depegs_below is not None
    assert far.depegs_above is not None
    edges = (far.depegs_below, far.depegs_above)
    assert [is_as_far(line, peg, peg.deviation_bps) for line in edges] == [True, True]
    inside = (far.depegs_below + TINY, far.depegs_above - TINY)
    assert [is_as_far(line, peg, peg.deviation_bps) for line in inside] == [False, False]


def test_a_price_that_was_off_is_back_between_nearer_lines() -> None:
    far = distance(Decimal(1), NOW, Decimal(1), rule(peg=Peg(recover_bps=Decimal(10))))
    assert (far.repegs_above, far.repegs_below) == (Decimal("0.999"), Decimal("1.001"))


def test_the_glitch_guards_lines() -> None:
    guard = GlitchGuard(factor=Decimal(10))
    far = distance(Decimal(-5), NOW, Decimal(-5), rule(glitch_guard=guard))
    assert (far.jumps_within, far.jumps_beyond) == (Decimal("0.5"), Decimal(50))
    near = [Decimal(text) for text in ("50", "-50", "0.5", "-0.5")]
    assert [is_jump(Decimal(-5), value, guard) for value in near] == [False] * 4
    odd = [Decimal(50) + TINY, Decimal(-50) - TINY, Decimal("0.5") - TINY, Decimal(0)]
    assert [is_jump(Decimal(-5), value, guard) for value in odd] == [True] * 4


def test_times_count_from_the_last_report() -> None:
    far = distance(Decimal(1), NOW, Decimal(1), rule(cooldown=timedelta(minutes=5), heartbeat=timedelta(hours=1)))
    assert (far.cooled_until, far.heartbeat_at) == (NOW + timedelta(minutes=5), NOW + timedelta(hours=1))


def test_zero_switches_cooldown_and_heartbeat_off() -> None:
    far = distance(Decimal(1), NOW, Decimal(1), rule(cooldown=timedelta(0), heartbeat=timedelta(0)))
    assert (far.cooled_until, far.heartbeat_at) == (None, None)
