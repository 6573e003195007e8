"""How the comparison with peers counts what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.benchmarks.peers.account import Account, Phase, percentile
from loadtests.benchmarks.peers.receipts import Inbox, Receipt, Receipts

if TYPE_CHECKING:
    from pathlib import Path


def account(numbers: list[int], *, before: int = 0, after: int) -> Account:
    """What one entity's receipts come to."""
    phase = Phase({"p1": before})
    phase.add([Receipt("p1", number, 0.0, 0.0) for number in numbers])
    return phase.account({"p1": after})


def test_everything_once_and_in_order() -> None:
    assert account([1, 2, 3], after=3) == Account(written=3, received=3, lost=0, repeated=0, disordered=0)


def test_what_never_came_is_lost() -> None:
    assert account([1, 3], after=4).lost == 2


def test_a_second_delivery_is_a_repetition_and_no_disorder() -> None:
    found = account([1, 2, 1], after=2)
    assert (found.received, found.repeated, found.disordered) == (2, 1, 0)


def test_a_first_delivery_behind_a_later_one_is_a_disorder() -> None:
    assert account([2, 1, 3], after=3).disordered == 1


def test_events_of_before_belong_to_another_phase() -> None:
    assert account([4, 5, 6], before=5, after=6) == Account(written=1, received=1, lost=0, repeated=0, disordered=0)


def test_an_entity_that_is_not_counted_is_left_out() -> None:
    phase = Phase({"p1": 0})
    phase.add([Receipt("probe", 1, 0.0, 0.0)])
    assert phase.received == 0


@given(st.lists(st.integers(1, 20)), st.integers(20, 30))
def test_what_came_and_what_is_lost_are_all_that_was_written(numbers: list[int], after: int) -> None:
    found = account(numbers, after=after)
    assert found.received + found.lost == after
    assert found.received + found.repeated == len(numbers)


def test_latency_is_from_the_updates_own_clock_to_the_first_receipt() -> None:
    phase = Phase({"p1": 0})
    phase.add([Receipt("p1", 1, 10.0, 10.5), Receipt("p1", 1, 10.0, 12.0), Receipt("p1", 2, 10.25, 10.5)])
    assert phase.latencies_ms() == [250.0, 500.0]
    assert phase.seconds() == 0.5


@pytest.mark.parametrize(("share", "expected"), [(0.5, 51), (0.99, 100), (1.0, 100)])
def test_percentiles_of_a_hundred(share: float, expected: int) -> None:
    assert percentile(range(1, 101), share) == expected


def test_no_percentile_of_nothing() -> None:
    assert percentile([], 0.5) is None


def test_receipts_come_out_as_they_were_noted(tmp_path: Path) -> None:
    inbox, receipts = Inbox(tmp_path / "r"), Receipts(tmp_path / "r")
    receipts.note("p1", "7", "2026-01-01 00:00:00.5+00")
    assert inbox.new() == []  # not flushed: a kill would take it back
    receipts.flush()
    (receipt,) = inbox.new()
    assert (receipt.entity, receipt.number, receipt.changed_at) == ("p1", 7, 1767225600.5)
    assert inbox.new() == []


def test_half_a_line_of_a_killed_consumer_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("1.0|p1|1|2026-01-01T00:00:00+00:00\n2.0|p1|2|2026-01")
    Receipts(tmp_path).flush()
    assert [receipt.number for receipt in Inbox(tmp_path).new()] == [1]
