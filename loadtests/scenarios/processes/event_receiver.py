"""What a receiver does with an event: where it belongs, how long it took, whether it is the next of its entity."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from loadtests.scenarios.write_mark import find_mark
from loadtests.shared.arrivals import Arrivals

if TYPE_CHECKING:
    from loadtests.scenarios.processes.tick import Recorder


class EventReceiver:
    """Counts what one kind of receiver gets, from the database update's own clock and from the schedule."""

    def __init__(self, stage: str, recorder: Recorder, *, start_time: float, clock_ahead_seconds: float) -> None:
        self.arrivals = Arrivals(stage)
        self._stage = stage
        self._recorder = recorder
        self._start_time = start_time
        self._ahead = clock_ahead_seconds

    def receive(self, document: bytes | str, received_at: float) -> bool:
        """Note an event that has arrived; false where it is not one of this load test's."""
        data = json.loads(document)["data"]
        if (mark := find_mark(data)) is None:
            return False
        second = mark.second(self._start_time)
        if second >= 0 and self.arrivals.note(data["entity"], mark.number):
            changed_at, detected_at = _seconds(data["changed_at"]), _seconds(data["detected_at"])
            latency = self._recorder.latency
            latency(self._stage, second, (received_at + self._ahead - changed_at) * 1000)
            latency(f"{self._stage} from schedule", second, (received_at - mark.due_us / 1e6) * 1000)
            latency(f"{self._stage} trigger", second, (detected_at - changed_at) * 1000)
            self._recorder.count(f"{self._stage} due", second)
            self._recorder.count(self._stage, int(received_at - self._start_time))
        return True


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
