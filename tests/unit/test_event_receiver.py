"""What a load test's receiver makes of an event: whether it is the test's own, and how long it took."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.scenarios.names import CHAIN
from loadtests.scenarios.processes.event_receiver import EventReceiver
from loadtests.scenarios.processes.tick import Recorder, Tick
from loadtests.scenarios.write_mark import WriteMark, find_mark
from loadtests.shared.latency_buckets import percentile

START = 1_767_225_600.0  # 2026-01-01
MARK = WriteMark(1, round((START + 3) * 1e6))


def document(**changes: Any) -> str:
    """An event of a write that was due in second 3, began 1 ms later, and was detected 2 ms after that."""
    data = {"entity": "p1", "chain": CHAIN, "provenance": str(MARK)}
    data |= {"changed_at": "2026-01-01T00:00:03.001000Z", "detected_at": "2026-01-01T00:00:03.003000Z"}
    return json.dumps({"sequence": "00000000000000000007", "data": data | changes})


def receive(*documents: str, at: float) -> tuple[list[bool], Tick, int]:
    """Whether each was the test's own, what was recorded, and how many events were received."""
    recorder = Recorder()
    receiver = EventReceiver("pubsub", recorder, start_time=START, clock_ahead_seconds=0)
    own = [receiver.receive(one, at) for one in documents]
    return own, recorder.take(), receiver.arrivals.received


@pytest.mark.parametrize(("stage", "wanted_ms"), [("pubsub", 9), ("pubsub from schedule", 10), ("pubsub trigger", 2)])
def test_latency_is_from_the_update_and_from_the_schedule(stage: str, wanted_ms: float) -> None:
    _, tick, _ = receive(document(), at=START + 3.010)
    assert percentile(tick.latencies[stage][3], 0.5) == pytest.approx(wanted_ms, rel=0.02)


def test_a_repetition_has_no_latency() -> None:
    own, tick, received = receive(document(), document(), at=START + 4)
    assert (own, received, tick.latencies["pubsub"][3].total()) == ([True, True], 1, 1)


def test_an_event_of_a_run_before_is_taken_and_not_counted() -> None:
    before = WriteMark(1, round((START - 1) * 1e6))
    own, _, received = receive(document(provenance=str(before)), at=START + 1)
    assert (own, received) == ([True], 0)


def test_what_is_no_event_is_not_taken() -> None:
    assert receive('{"data": 1}', at=START)[0] == [False]


@pytest.mark.parametrize("changes", [{"chain": "ethereum"}, {"provenance": "defillama"}, {"provenance": None}])
def test_somebody_elses_event_is_not_taken(changes: dict[str, Any]) -> None:
    assert receive(document(**changes), at=START)[0] == [False]


@given(st.integers(1, 10**9), st.integers(0, 10**16))
def test_a_mark_is_read_as_it_was_written(number: int, due_us: int) -> None:
    mark = WriteMark(number, due_us)
    assert find_mark(CHAIN, str(mark)) == mark
