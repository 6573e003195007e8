"""What a receiver does with an event: where it belongs, how long it took, whether it is the next of its entity."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from loadtests.scenarios.names import CHAIN
from loadtests.shared.ledger import Ledger, Mark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.scenarios.processes.tick import Recorder

_ROUNDING_SECONDS = 2e-6  # a mark is in whole microseconds


class Receipts:
    """Counts what one kind of receiver gets, from the database update's own clock and from the schedule."""

    def __init__(self, stage: str, recorder: Recorder, *, start_time: float, clock_ahead_seconds: float) -> None:
        self.ledger = Ledger()
        self._stage = stage
        self._recorder = recorder
        self._start_time = start_time
        self._ahead = clock_ahead_seconds

    def note(self, document: bytes | str, received_at: float) -> bool:
        """An event has arrived; false where it is not one of this load test's."""
        data = json.loads(document)["data"]
        if (mark := find_mark(data)) is None:
            return False
        due = mark.due_us / 1e6
        second = second_of(mark, self._start_time)
        if second >= 0 and self.ledger.note(data["entity"], mark.number):
            changed_at, detected_at = _seconds(data["changed_at"]), _seconds(data["detected_at"])
            latency = self._recorder.latency
            latency(self._stage, second, (received_at + self._ahead - changed_at) * 1000)
            latency(f"{self._stage} from schedule", second, (received_at - due) * 1000)
            latency(f"{self._stage} trigger", second, (detected_at - changed_at) * 1000)
            self._recorder.count(f"{self._stage} due", second)
            self._recorder.count(self._stage, int(received_at - self._start_time))
        return True


def find_mark(data: Mapping[str, Any]) -> Mark | None:
    """The mark in an event's data; None where it is not of a load test's write."""
    if data["chain"] != CHAIN:
        return None
    try:
        return Mark.read(data["provenance"] or "")
    except ValueError:
        return None  # the seed of a table, or its removal


def second_of(mark: Mark, start_time: float) -> int:
    """The second of the schedule to which a write belongs; negative for one of a run before."""
    return math.floor(mark.due_us / 1e6 - start_time + _ROUNDING_SECONDS)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
