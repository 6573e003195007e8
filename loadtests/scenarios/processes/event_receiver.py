"""What a receiver does with an event: where it belongs, how long it took, whether it is the next of its entity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtests.scenarios.processes.commit_times import Arrival
from loadtests.scenarios.processes.received_event import decode
from loadtests.scenarios.write_mark import find_mark
from loadtests.shared.arrivals import Arrivals

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtests.scenarios.processes.tick import Recorder


class EventReceiver:
    """Counts what one kind of receiver gets, from the database update's own clock and from the schedule.

    `on_arrival` hears of each event that comes for the first time.
    """

    def __init__(
        self,
        stage: str,
        recorder: Recorder,
        *,
        start_time: float,
        clock_ahead_seconds: float,
        on_arrival: Callable[[Arrival], object] = lambda _: None,
    ) -> None:
        self.arrivals = Arrivals(stage)
        self._stage = stage
        self._recorder = recorder
        self._start_time = start_time
        self._ahead = clock_ahead_seconds
        self._on_arrival = on_arrival

    def receive(self, document: bytes | str, received_at: float) -> bool:
        """Note an event that has arrived; false where it is not one of this load test's."""
        event = decode(document)
        if event is None or (mark := find_mark(event.data.chain, event.data.provenance)) is None:
            return False
        second = mark.second(self._start_time)
        if second >= 0 and self.arrivals.note(event.data.entity, mark.number):
            changed_at, detected_at = event.data.changed_at.timestamp(), event.data.detected_at.timestamp()
            on_databases_clock = received_at + self._ahead
            latencies_ms = {
                self._stage: (on_databases_clock - changed_at) * 1000,
                f"{self._stage} from schedule": (received_at - mark.due_us / 1e6) * 1000,
                f"{self._stage} trigger": (detected_at - changed_at) * 1000,
            }
            self._recorder.latencies(second, latencies_ms)
            self._recorder.count(self._stage, int(received_at - self._start_time))
            self._on_arrival(Arrival(int(event.sequence), second, on_databases_clock, detected_at))
        return True
