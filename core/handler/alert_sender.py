"""One queue's alerts: sent in order per entity, and acknowledged portion by portion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import SinkUnavailable
from core.handler.rest import Rest
from core.letters.stream_letters import StreamLetter
from core.services.xray import subsegment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from core.handler.alert_store import AlertStore
    from core.sinks import Rejection, Sink
    from rtp_client.event import Event, EventData

_PORTION = 40
"""Alerts between two acknowledgements. Whoever is cut off in between leaves no more than these to be sent again."""


@dataclass(frozen=True)
class Sent:
    """What became of a queue's alerts: the baselines that still have some of these, why, and what was buried."""

    left: Mapping[str, int]
    causes: Sequence[str] = ()
    dead: int = 0


class AlertSender:
    """Sends one queue what waits for it, and leaves it alone for a while after a failure.

    `wants` says which events belong there, `bury` takes a dead letter. Raises SinkUnavailable without Redis.
    """

    def __init__(
        self,
        queue: str,
        sink: Sink,
        wants: Callable[[EventData], bool],
        *,
        store: AlertStore,
        bury: Callable[[StreamLetter], None],
        max_attempts: int,
    ) -> None:
        self.queue = queue
        self.wants = wants
        self._sink = sink
        self._store = store
        self._bury = bury
        self._max_attempts = max_attempts
        self._rest = Rest()

    @property
    def is_resting(self) -> bool:
        """Whether the queue is left alone now."""
        return not self._rest.is_over

    def send(self, alerts: Mapping[str, Sequence[Event]]) -> Sent:
        """Send each baseline's alerts, its oldest first, and acknowledge what the queue has taken."""
        waiting = [(key, event) for key, events in alerts.items() for event in events]
        waiting.sort(key=lambda one: one[1].sequence)
        left = {key: len(events) for key, events in alerts.items()}
        causes, dead, stopped = list[str](), 0, set[str]()
        for start in range(0, len(waiting), _PORTION):
            portion = [(key, event) for key, event in waiting[start : start + _PORTION] if key not in stopped]
            if self.is_resting or not portion:
                continue
            try:
                with subsegment(f"SQS: {self.queue}"):
                    outcome = self._sink.deliver([event for _, event in portion])
            except SinkUnavailable as error:
                causes.append(str(error))
                self._rest.failed()
                continue
            buried = self._bury_refused(outcome.rejected, {event.id: key for key, event in portion})
            failed = {event.id for event in outcome.undelivered} - buried
            self._pace(len(failed) - len(outcome.rejected), len(portion))
            taken = _taken(portion, failed, stopped)
            self._acknowledge(taken)
            for key, had in taken.items():
                left[key] -= len(had)
            dead += len(buried)
            causes += [outcome.cause] if failed else []
        return Sent({key: count for key, count in left.items() if count}, causes, dead)

    def _pace(self, failed: int, tried: int) -> None:
        if failed >= tried:
            self._rest.failed()
        else:
            self._rest.succeeded()

    def _acknowledge(self, taken: Mapping[str, Sequence[Event]]) -> None:
        if taken:
            self._store.acknowledge(self.queue, {key: events[-1].sequence for key, events in taken.items()})

    def _bury_refused(self, rejected: Iterable[Rejection], key_of: Mapping[str, str]) -> set[str]:
        """Bury the alerts that SQS can never take or has refused too often. Returns their ids."""
        buried = set()
        for refusal in rejected:
            event = refusal.event
            if not refusal.is_final:
                refusals = self._store.note_refusal(self.queue, key_of[event.id])
                if refusals < self._max_attempts:
                    continue
            self._bury(StreamLetter(f"SQS refuses it: {refusal.error}", event=event.json_bytes.decode()))
            buried.add(event.id)
        return buried


def _taken(portion: Sequence[tuple[str, Event]], failed: set[str], stopped: set[str]) -> dict[str, list[Event]]:
    """What the queue has of each baseline, up to the first that failed; a baseline with such a one is `stopped`."""
    taken: dict[str, list[Event]] = {}
    for key, event in portion:
        if event.id in failed:
            stopped.add(key)
        elif key not in stopped:
            taken.setdefault(key, []).append(event)
    return taken
