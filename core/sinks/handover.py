"""How the delivery loop hands events to a sink: whole batches one after the other, or the sink's own way."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from core.sinks import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.sinks import Sink
    from rtp_client.event import Event


@dataclass(frozen=True)
class SinkAnswer:
    """What the sink's service has said of these events, and when. The outcome's undelivered may be more than these."""

    events: Sequence[Event]
    outcome: Outcome
    answered_at: float = field(default_factory=time.time)


class Handover(Protocol):
    """Takes events and gives answers, not always about what was handed over last. For one thread."""

    @property
    def wants_more(self) -> bool:
        """Whether it would have too little to do without more events."""

    @property
    def answers_in_order(self) -> bool:
        """Whether the answer to what is handed over next comes only after those that are to be expected."""

    @property
    def is_under_way(self) -> bool:
        """Whether an answer is to be expected."""

    @property
    def has_to_start(self) -> bool:
        """Whether there are events, and nothing is done about them."""

    def add(self, events: Sequence[Event]) -> None:
        """Take on events, in log order."""

    def start(self) -> None:
        """Send what may be sent."""

    def take_answers(self) -> list[SinkAnswer]:
        """The answers so far. Raises what `Sink.deliver` raises; what was not answered is sent with the next start."""

    def wait_for_answer(self, seconds: float) -> None:
        """Wait until there is an answer, or until nothing is under way."""

    def wait_for_room(self, seconds: float) -> None:
        """Wait until `wants_more`, or until nothing is under way."""

    def finish(self, seconds: float) -> list[SinkAnswer]:
        """The answers to all that was taken on, as far as they come in time; then as `drop`."""

    def drop(self) -> None:
        """Forget all that was taken on. Nothing is under way after that."""


def handover_to(sink: Sink) -> Handover:
    """The sink's own way, or whole batches."""
    return WholeBatches(sink) if sink.handover is None else sink.handover


class WholeBatches:
    """One batch after the other: the sink's service takes all of it at once."""

    wants_more = True
    answers_in_order = True
    is_under_way = False

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._events: Sequence[Event] = ()
        self._answers: list[SinkAnswer] = []

    @property
    def has_to_start(self) -> bool:
        return bool(self._events)

    def add(self, events: Sequence[Event]) -> None:
        self._events = events

    def start(self) -> None:
        if self._events:
            self._answers.append(SinkAnswer(self._events, self._sink.deliver(self._events)))
            self._events = ()

    def take_answers(self) -> list[SinkAnswer]:
        answers, self._answers = self._answers, []
        return answers

    def wait_for_answer(self, seconds: float) -> None: ...

    def wait_for_room(self, seconds: float) -> None: ...

    def finish(self, seconds: float) -> list[SinkAnswer]:
        return []

    def drop(self) -> None:
        self._events, self._answers = (), []
