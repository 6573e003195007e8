"""Batches one behind the other, the next one sent before the last one's answer is read.

So the service works on one batch while rtp settles the one before and makes the next one ready.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from core.errors import ServiceUnavailable
from core.sinks.handover import SinkAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.sinks import Outcome
    from rtp_client.event import Event

# The service has one to work on, and one that waits for its turn.
MOST_UNDER_WAY = 2


class PipelinedService(Protocol):
    """Answers batches in the order in which they were sent. What it raises is what `Sink.deliver` raises."""

    batch_size: int

    def send(self, events: Sequence[Event], *, behind: Sequence[Event] = ()) -> None:
        """Send a batch. It is taken only where the one `behind` which it is sent was, whose answer is not read yet."""

    def receive(self) -> Outcome | None:
        """The answer to the first batch without one; None where nothing of it was taken, and it is to be sent again."""

    def has_answer(self, seconds: float) -> bool:
        """Whether `receive` would not have to wait, now or in time."""

    def forget_sent(self) -> None:
        """Read no answer to what was sent so far."""


class PipelinedBatches:
    """Behind a backlog batches are full, and more are to come.

    A smaller one is the last for now: its answer is waited for at once.
    """

    wants_more = True
    answers_in_order = True

    def __init__(self, service: PipelinedService) -> None:
        self._service = service
        self._unsent: deque[Sequence[Event]] = deque()
        self._sent: deque[Sequence[Event]] = deque()
        self._answers: list[SinkAnswer] = []
        self._is_last = True

    @property
    def is_under_way(self) -> bool:
        return bool(self._sent or self._answers)

    @property
    def has_to_start(self) -> bool:
        return bool(self._unsent)

    def add(self, events: Sequence[Event]) -> None:
        if events:
            self._unsent.append(events)
            self._is_last = len(events) < self._service.batch_size

    def start(self) -> None:
        try:
            self._send_all()
        except Exception:
            self._send_again()
            raise

    def take_answers(self) -> list[SinkAnswer]:
        try:
            while self._sent and (self._is_last or self._is_full or self._service.has_answer(0)):
                self._receive()
                self._send_all()
        except Exception:
            self._send_again()
            raise
        answers, self._answers = self._answers, []
        return answers

    def wait_for_answer(self, seconds: float) -> None:
        if self._sent and not self._answers:
            self._service.has_answer(seconds)

    def wait_for_room(self, seconds: float) -> None: ...

    def finish(self, seconds: float) -> list[SinkAnswer]:
        ends_at = time.monotonic() + seconds
        with suppress(ServiceUnavailable):
            while self._sent and self._service.has_answer(max(0.0, ends_at - time.monotonic())):
                self._receive()
        answers = self._answers
        self.drop()
        return answers

    def drop(self) -> None:
        self._service.forget_sent()
        self._unsent.clear()
        self._sent.clear()
        self._answers = []

    @property
    def _is_full(self) -> bool:
        return len(self._sent) >= MOST_UNDER_WAY

    def _send_all(self) -> None:
        while self._unsent:
            if self._is_full:
                self._receive()
                continue
            self._service.send(self._unsent[0], behind=self._sent[-1] if self._sent else ())
            self._sent.append(self._unsent.popleft())

    def _receive(self) -> None:
        if (outcome := self._service.receive()) is not None:
            self._answers.append(SinkAnswer(self._sent.popleft(), outcome))
            return
        for _ in range(1, len(self._sent)):
            self._service.receive()  # what is behind it was not taken either
        self._take_back()

    def _send_again(self) -> None:
        """The service does not answer: all that has no answer is sent again with the next start."""
        self._service.forget_sent()
        self._take_back()

    def _take_back(self) -> None:
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
