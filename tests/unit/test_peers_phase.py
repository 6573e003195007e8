"""What the comparison with peers makes of a consumer's receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtests.benchmarks.peers.phase import Brought, Phase
from loadtests.benchmarks.peers.receipts import Inbox, Receipt, Receipts

if TYPE_CHECKING:
    from pathlib import Path


def brought(*numbers: int, before: int, after: int) -> Brought:
    """What one entity's receipts come to."""
    phase = Phase({"p1": before})
    phase.add([Receipt("p1", number, 0.0, 0.0) for number in numbers])
    return phase.brought({"p1": after})


def test_what_is_lost_repeated_and_out_of_order_is_told() -> None:
    assert brought(6, 8, 7, 8, before=5, after=9) == Brought(written=4, received=3, lost=1, repeated=1, disordered=1)


def test_events_of_before_belong_to_another_phase() -> None:
    assert brought(4, 5, 6, before=5, after=6) == Brought(written=1, received=1, lost=0, repeated=0, disordered=0)


def test_an_entity_that_is_not_counted_is_left_out() -> None:
    phase = Phase({"p1": 0})
    phase.add([Receipt("probe", 1, 0.0, 0.0)])
    assert phase.brought({"p1": 0}).received == 0


def test_latency_is_from_the_updates_own_clock_to_the_first_receipt() -> None:
    phase = Phase({"p1": 0})
    phase.add([Receipt("p1", 1, 10.0, 10.5), Receipt("p1", 1, 10.0, 12.0), Receipt("p1", 2, 10.25, 10.5)])
    assert (phase.latencies(), phase.seconds()) == ([0.25, 0.5], 0.5)


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
