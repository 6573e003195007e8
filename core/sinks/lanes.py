"""Lanes: they send the batches of one sink side by side, each group's in order, and no group waits for another.

A lane takes the next batch of whatever groups are free, sends it, and takes the next one. So one busy entity, with a
long queue of its own, holds up nobody else.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from core.services.daemon_pool import DaemonPool
from core.sinks.groups import GroupQueues
from core.sinks.lane_answers import LaneAnswers, joint_outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.sinks import Outcome
    from core.sinks.groups import BatchForm
    from core.sinks.handover import SinkAnswer
    from rtp_client.event import Event

# What waits is in memory, and is read again after a crash. Behind a busy entity the others are found within it.
MOST_WAITING_EVENTS = 5_000
# After all is abandoned; what has got its answer by then is delivered.
_LAST_ANSWER_SECONDS = 0.2


class Lanes:
    """Sends with `send`, which gets a batch of this form and answers or raises as `Sink.deliver` does.

    The methods are for one thread, the lanes have their own.
    """

    answers_in_order = False

    def __init__(self, send: Callable[[Sequence[Event]], Outcome], form: BatchForm, *, most: int, name: str) -> None:
        self._send = send
        self._most = most
        self._enough_groups = most * form.most_events
        self._threads = DaemonPool(most, name=f"rtp-{name}-send")
        self._groups = GroupQueues(form)
        self._changed = threading.Condition()
        self._running = 0
        self._answers = LaneAnswers()
        self._is_abandoned = False

    def __len__(self) -> int:
        """How many events wait, not counting those under way."""
        return len(self._groups)

    @property
    def wants_more(self) -> bool:
        """Whether a lane could soon find too little for its next batch."""
        with self._changed:
            return self._has_room()

    @property
    def is_under_way(self) -> bool:
        return bool(self._running or self._answers or self._answers.has_broken)

    @property
    def has_to_start(self) -> bool:
        with self._changed:
            return not self._running and bool(self._groups or self._answers.has_broken)

    def add(self, events: Sequence[Event]) -> None:
        with self._changed:
            self._groups.add(events)

    def start(self) -> None:
        with self._changed:
            if not self._running:
                self._answers.note_start()
            self._begin()

    def take_answers(self) -> list[SinkAnswer]:
        """The answers so far.

        Where the service does not answer any more, all lanes come to a stop before that is raised. It is not raised
        where it has answered other lanes meanwhile: the batch itself may be to blame, and is undelivered.
        """
        with self._changed:
            broken = [] if self._running else self._answers.take_broken(self._groups.put_back)
            return [self._with_those_behind(answer) for answer in (*self._answers.take(), *broken)]

    def wait_for_answer(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._answers or not self._running, seconds)

    def wait_for_room(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._has_room() or not self._running, seconds)

    def finish(self, seconds: float) -> list[SinkAnswer]:
        with self._changed:
            self._changed.wait_for(lambda: not self._running, seconds)
            self._groups.take_all()
            self._wait_for_rest()
            answers = [self._with_those_behind(answer) for answer in self._answers.take()]
        self.drop()
        return answers

    def drop(self) -> None:
        with self._changed:
            self._groups.take_all()
            self._wait_for_rest()
            self._answers.clear()

    def deliver(self, events: Sequence[Event]) -> Outcome:
        """As a sink's `deliver`: send all of these and wait for the answers. Not for who uses the other methods."""
        self.add(events)
        self.start()
        with self._changed:
            self._wait_for_rest()
        try:
            answers = self.take_answers()
        finally:
            self.drop()
        return joint_outcome(events, answers)

    def abandon(self) -> None:
        """Have nobody wait for what is under way. For any thread."""
        with self._changed:
            self._is_abandoned = True
            self._changed.notify_all()

    def close(self) -> None:
        self._threads.shutdown(wait=not self._is_abandoned)

    def _wait_for_rest(self) -> None:
        self._changed.wait_for(lambda: not self._running or self._is_abandoned)
        self._changed.wait_for(lambda: not self._running, _LAST_ANSWER_SECONDS)

    def _has_room(self) -> bool:
        return len(self._groups) < MOST_WAITING_EVENTS and self._groups.are_fewer_than(self._enough_groups)

    def _begin(self) -> None:
        """Have as many lanes run as there are batches for."""
        while self._running < self._most and not self._answers.has_broken and (batch := self._groups.take_batch()):
            self._running += 1
            self._threads.submit(self._run, batch)

    def _run(self, batch: Sequence[Event]) -> None:
        while batch:
            try:
                outcome = self._send(batch)
            except Exception as error:  # noqa: BLE001 - raised where the answers are taken
                batch = self._note_broken(batch, error)
            else:
                batch = self._note_answer(batch, outcome)

    def _note_answer(self, batch: Sequence[Event], outcome: Outcome) -> Sequence[Event]:
        """Returns what the lane is to send next."""
        failed = {event.partitionkey for event in outcome.undelivered}
        with self._changed:
            self._answers.note_answer(batch, outcome)
            self._groups.release({event.partitionkey for event in batch} - failed)
            return self._go_on()

    def _note_broken(self, batch: Sequence[Event], error: Exception) -> Sequence[Event]:
        with self._changed:
            self._answers.note_broken(batch, error)
            return self._go_on()

    def _go_on(self) -> Sequence[Event]:
        batch = [] if self._answers.has_broken else self._groups.take_batch()
        if batch:
            self._begin()
        else:
            self._running -= 1
        self._changed.notify_all()
        return batch

    def _with_those_behind(self, answer: SinkAnswer) -> SinkAnswer:
        """Nothing of a group may pass what is undelivered of it."""
        undelivered = answer.outcome.undelivered
        behind = self._groups.take_behind({event.partitionkey for event in undelivered})
        if not behind:
            return answer
        return replace(answer, outcome=replace(answer.outcome, undelivered=[*undelivered, *behind]))
