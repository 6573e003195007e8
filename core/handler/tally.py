"""What `rtp run --source dynamodb` has done since it started, and what people and CloudWatch are told of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.handler.figures import figures_of, is_notable
from core.handler.recollection import about_lost
from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.emf import EmfLog
    from core.handler.alert_store import PendingAlerts
    from core.handler.outcome import BatchOutcome, Cause

_COMPONENT = "poller"


@dataclass
class StreamTally:
    """Adds up batches and ticks. One thread writes it; others may read.

    `delivered` counts the events that Redis has, by kind, reason and severity. `pending` is what waited for its queue
    at the last tick, as are `letters_wait` and `samples_wait`.
    """

    on_problem: Callable[[Problem], None]
    emf: EmfLog | None = None
    records: int = 0
    events: int = 0
    dead_letters: int = 0
    set_aside: Counter[Cause] = field(default_factory=Counter)
    pending: Sequence[PendingAlerts] = ()
    letters_wait: bool = False
    samples_wait: int = 0
    delivered: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _told: set[str] = field(default_factory=set)

    @property
    def pending_alerts(self) -> int:
        """How many alerts waited at the last tick, over all queues."""
        return sum(one.alerts for one in self.pending)

    def note_batch(self, outcome: BatchOutcome, records: int, done: int) -> None:
        """A batch of so many records is over, of which so many are done."""
        self._note(outcome, records)
        self.records += done

    def note_tick(self, outcome: BatchOutcome) -> None:
        """A tick is over."""
        self._note(outcome, None)
        self.pending = outcome.pending
        self.letters_wait, self.samples_wait = outcome.letters_wait, outcome.samples_wait
        if not (outcome.troubles or outcome.pending or outcome.letters_wait or outcome.unread):
            self._told.clear()

    def end(self) -> None:
        """Tell CloudWatch of what is left to tell."""
        if self.emf:
            self.emf.note((), at_once=True)

    def _note(self, outcome: BatchOutcome, records: int | None) -> None:
        if self.emf:
            self.emf.note(figures_of(outcome, records=records), at_once=is_notable(outcome))
        self.events += len(outcome.events)
        self.delivered.update((one.data.kind, one.data.reason, one.data.severity) for one in outcome.events)
        self.dead_letters += len(outcome.dead_letters)
        if lost := about_lost(outcome):
            self.on_problem(Problem(lost, _COMPONENT))
        for letter in outcome.dead_letters:
            self.on_problem(Problem(f"dead letter: {letter.reason}", _COMPONENT))
        for unread in outcome.unread:
            self._tell_once(unread)
        for trouble in outcome.troubles:
            self._tell_once(f"alerts or dead letters wait: {trouble}")
        for cause in outcome.set_aside:
            # Of rows that go on coming like that, the counts tell.
            if cause not in self.set_aside and cause[1] != "late":
                self.on_problem(Problem(outcome.about_set_aside(cause), _COMPONENT))
        self.set_aside += outcome.set_aside

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.on_problem(Problem(text, _COMPONENT))
