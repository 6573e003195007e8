"""Alerts from baselines to SQS: what is pending is sent, in order, until each of its queues has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.errors import SinkUnavailable
from core.letters.stream_letters import StreamLetter
from rtp_client.event import decode_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.handler.baselines import Baselines
    from core.sinks import Rejection, Sink
    from rtp_client.event import Event, EventData


@dataclass(frozen=True)
class AlertDestination:
    """A queue, and which events belong in it."""

    sink: Sink
    wants: Callable[[EventData], bool]


@dataclass(frozen=True)
class Pending:
    """The events that a baseline keeps for SQS, as of a version."""

    key: str
    version: int
    events: Sequence[Event]


@dataclass
class Sent:
    """What became of the pending events: the keys that still have some, the causes, and how many events were buried."""

    unsent: set[str] = field(default_factory=set)
    causes: list[str] = field(default_factory=list)
    dead: int = 0


class Alerts:
    """Sends what baselines have pending. `bury` takes a dead letter, or raises SinkUnavailable."""

    def __init__(
        self,
        queues: Sequence[AlertDestination],
        baselines: Baselines,
        bury: Callable[[StreamLetter], None],
        *,
        max_attempts: int,
    ) -> None:
        self._queues = queues
        self._baselines = baselines
        self._bury = bury
        self._max_attempts = max_attempts

    def wants(self, event: Event) -> bool:
        """Whether the event belongs in any queue."""
        return any(queue.wants(event.data) for queue in self._queues)

    def send(self, pending: Sequence[Pending]) -> Sent:
        """Send each key's events to their queues. Acknowledge a key once every queue has all of its events.

        All events of a key that is not acknowledged are sent again, also to a queue that has them already.
        """
        owners = [(event, one.key) for one in pending for event in one.events]
        owners.sort(key=lambda owner: owner[0].sequence)
        sent = Sent()
        for queue in self._queues:
            self._send_to(queue.sink, [owner for owner in owners if queue.wants(owner[0].data)], sent)
        taken = [(one.key, one.version) for one in pending if one.key not in sent.unsent]
        if taken:
            self._baselines.acknowledge(taken)
        return sent

    def _send_to(self, sink: Sink, owners: Sequence[tuple[Event, str]], sent: Sent) -> None:
        if not owners:
            return
        key_of = {event.id: key for event, key in owners}
        try:
            outcome = sink.deliver([event for event, _ in owners])
        except SinkUnavailable as error:
            sent.unsent.update(key_of.values())
            sent.causes.append(str(error))
            return
        dead = self._bury_dead(outcome.rejected, key_of, sent)
        unsent = {key_of[event.id] for event in outcome.undelivered if event.id not in dead}
        if unsent:
            sent.unsent |= unsent
            sent.causes.append(outcome.cause)

    def _bury_dead(self, rejected: Sequence[Rejection], key_of: Mapping[str, str], sent: Sent) -> set[str]:
        """Bury the events that SQS can never take or has refused too often. Returns their ids."""
        buried = set()
        for refusal in rejected:
            key = key_of[refusal.event.id]
            if not refusal.is_final:
                refusals = self._baselines.note_refusal(key)
                if refusals < self._max_attempts:
                    continue
            try:
                self._bury(StreamLetter(f"SQS refuses it: {refusal.error}", event=refusal.event.json_bytes.decode()))
            except SinkUnavailable as error:
                sent.unsent.add(key)
                sent.causes.append(str(error))
            else:
                buried.add(refusal.event.id)
        sent.dead += len(buried)
        return buried


def read_events(documents: Sequence[str]) -> list[Event]:
    """Pending documents as events again."""
    return [decode_event(document) for document in documents]
