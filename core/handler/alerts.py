"""Alerts from baselines to SQS: what is pending is sent, in order, until SQS has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.errors import SinkUnavailable
from core.event import Event
from core.handler.dead_letters import DeadLetter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.handler.baselines import Baselines
    from core.sinks import Rejection, Sink


@dataclass
class Sent:
    """What became of the pending events: the keys that still have some, and why."""

    unsent: set[str] = field(default_factory=set)
    cause: str = ""
    dead: int = 0


class Alerts:
    """Sends what baselines have pending. `bury` takes a dead letter, or raises SinkUnavailable."""

    def __init__(
        self, sink: Sink, baselines: Baselines, bury: Callable[[DeadLetter], None], *, max_attempts: int
    ) -> None:
        self._sink = sink
        self._baselines = baselines
        self._bury = bury
        self._max_attempts = max_attempts

    def send(self, pending: Sequence[tuple[str, int, Sequence[Event]]]) -> Sent:
        """Send the events of each key (with its version), and acknowledge the keys that SQS has all events of."""
        owner = {event.id + event.partitionkey: key for key, _, events in pending for event in events}
        sent = Sent()
        events = sorted((event for _, _, events in pending for event in events), key=lambda event: event.sequence)
        try:
            outcome = self._sink.deliver(events)
        except SinkUnavailable as error:
            return Sent({key for key, _, _ in pending}, str(error))
        dead = {
            refusal.event.id
            for refusal in outcome.rejected
            if self._is_dead(refusal, owner[refusal.event.id + refusal.event.partitionkey], sent)
        }
        sent.dead = len(dead)
        for event in outcome.undelivered:
            if event.id not in dead:
                sent.unsent.add(owner[event.id + event.partitionkey])
                sent.cause = sent.cause or outcome.cause
        taken = [(key, version) for key, version, _ in pending if key not in sent.unsent]
        if taken:
            self._baselines.acknowledge(taken)
        return sent

    def _is_dead(self, refusal: Rejection, key: str, sent: Sent) -> bool:
        """Whether the event is buried. What SQS may yet take is, once it was refused often enough."""
        if not refusal.is_final and self._baselines.count_refusal(key) < self._max_attempts:
            return False
        try:
            self._bury(DeadLetter(f"SQS refuses it: {refusal.error}", event=refusal.event.json_bytes.decode()))
        except SinkUnavailable as error:
            sent.unsent.add(key)
            sent.cause = str(error)
            return False
        return True


def read_events(documents: Sequence[str]) -> list[Event]:
    """Pending documents as events again."""
    return [Event.model_validate_json(document) for document in documents]
