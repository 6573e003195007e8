"""What a sink's service has told its lanes, until somebody takes it: answers, and that it does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import ServiceUnavailable
from core.sinks import Outcome
from core.sinks.handover import SinkAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rtp_client.event import Event


class LaneAnswers:
    """Not thread-safe: the lanes have a lock around it."""

    def __init__(self) -> None:
        self._answers: list[SinkAnswer] = []
        self._broken: list[tuple[Sequence[Event], Exception]] = []
        self._has_answered = False  # since the lanes have begun to run

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def has_broken(self) -> bool:
        """Whether a batch got no answer, which nobody has been told of."""
        return bool(self._broken)

    def note_start(self) -> None:
        """The lanes begin to run."""
        self._has_answered = self._has_answered and self.has_broken

    def note_answer(self, batch: Sequence[Event], outcome: Outcome) -> None:
        self._answers.append(SinkAnswer(batch, outcome))
        self._has_answered = True

    def note_broken(self, batch: Sequence[Event], error: Exception) -> None:
        self._broken.append((batch, error))

    def take(self) -> list[SinkAnswer]:
        """The answers so far."""
        answers, self._answers = self._answers, []
        return answers

    def take_broken(self, put_back: Callable[[Sequence[Event]], None]) -> list[SinkAnswer]:
        """Batches that are to blame themselves, as the service has answered others. Else its error is raised.

        `put_back` gets the batches that are to be sent again then.
        """
        broken, self._broken = self._broken, []
        for _, error in broken:
            if not self._has_answered or not isinstance(error, ServiceUnavailable):
                for batch, _ in broken:
                    put_back(batch)
                raise error
        return [SinkAnswer(batch, Outcome(batch, cause=_cause(error))) for batch, error in broken]

    def clear(self) -> None:
        """Forget all."""
        self._answers, self._broken = [], []


def joint_outcome(events: Sequence[Event], answers: Sequence[SinkAnswer]) -> Outcome:
    """What became of the events, of which some may have no answer."""
    left = {event.id for event in events}
    for answer in answers:
        left.difference_update(event.id for event in answer.events)
    left.update(event.id for answer in answers for event in answer.outcome.undelivered)
    rejected = [rejection for answer in answers for rejection in answer.outcome.rejected]
    cause = next((answer.outcome.cause for answer in answers if answer.outcome.cause), "")
    return Outcome([event for event in events if event.id in left], rejected, cause)


def _cause(error: Exception) -> str:
    return error.cause if isinstance(error, ServiceUnavailable) else str(error)
