"""Delivering dead letters again, or dropping them: group by group, the oldest first, the table's and SQS's as one.

Order within a group: a letter goes only after every older one of its group that is still dead, unless the caller says
otherwise. SQS hands out a group's messages in order, a few at a time; a letter of the table goes right before the first
message that is newer. A letter that is refused again stays dead and does not hold up its group, as in `rtp run`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.errors import EventRejected
from core.letters.letter import Letter, Selection, letter_of_message
from core.letters.table import note_refusal, open_ids, read_event, read_letters, revive, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.letters.store import DeadLetterStore
    from core.services.dead_letter_queue import DeadLetterQueue

Came = Literal["redriven", "dropped", "refused", "waiting"]


@dataclass(frozen=True)
class Result:
    """What became of one letter, and why where it is still dead."""

    letter: Letter
    came: Came
    why: str = ""


def redrive(store: DeadLetterStore, selection: Selection, *, out_of_order: bool = False) -> Iterator[Result]:
    """Deliver what is selected, one by one. Raises SinkUnavailable where a service does not answer."""
    by_sink = _by_sink(store, selection)
    for sink, letters in by_sink.items():
        yield from _Redrive(store, sink, selection, letters, out_of_order=out_of_order).run()
    for queue in store.queues_with_copies(letter for letters in by_sink.values() for letter in letters):
        remove_copies(store, queue)


def drop(store: DeadLetterStore, selection: Selection) -> Iterator[Result]:
    """Give up on what is selected. A dropped letter stays in the table for a week; a message is gone."""
    letters = [letter for letter in read_letters(store.connection) if selection.matches(letter)]
    settle(store.connection, letters, "dropped")
    yield from (Result(letter, "dropped") for letter in letters)
    for sink, queue in store.queues.items():
        if selection.sink not in (None, sink):
            continue
        with queue.hold() as messages:
            for message in messages:
                letter = letter_of_message(message, sink)
                if store.copied_letter(message) is None and selection.matches(letter):
                    queue.delete(message)
                    yield Result(letter, "dropped")
    for queue in store.queues_with_copies(letters):
        remove_copies(store, queue)


def remove_copies(store: DeadLetterStore, queue: DeadLetterQueue) -> None:
    """Take the copies of letters that are dead no more out of the dead letter queue, so that its alarm can end."""
    dead = open_ids(store.connection)
    with queue.hold() as messages:
        for message in messages:
            copied = store.copied_letter(message)
            if copied is not None and copied not in dead:
                queue.delete(message)


class _Redrive:
    """One sink's letters."""

    def __init__(
        self, store: DeadLetterStore, sink: str, selection: Selection, letters: list[Letter], *, out_of_order: bool
    ) -> None:
        self._store = store
        self._sink = sink
        self._selection = selection
        self._out_of_order = out_of_order
        self._blocked: dict[str, str] = {}
        self._groups: dict[str, deque[Letter]] = {}
        for letter in letters:
            self._groups.setdefault(letter.group, deque()).append(letter)

    def run(self) -> Iterator[Result]:
        """All of it, oldest first in each group."""
        if (queue := self._store.queues.get(self._sink)) is not None:
            yield from self._empty(queue)
        for group in list(self._groups):
            yield from self._deliver_before(group, None)

    def _empty(self, queue: DeadLetterQueue) -> Iterator[Result]:
        with queue.hold() as messages:
            for message in messages:
                if self._store.copied_letter(message) is not None:
                    continue
                letter = letter_of_message(message, self._sink)
                yield from self._deliver_before(letter.group, letter.sequence)
                if (result := self._held_back(letter)) is None:
                    queue.send_back(message)
                    result = Result(letter, "redriven")
                if self._selection.matches(letter):
                    yield result

    def _deliver_before(self, group: str, sequence: int | None) -> Iterator[Result]:
        waiting = self._groups.get(group, deque())
        while waiting and (sequence is None or (waiting[0].sequence or 0) < sequence):
            letter = waiting.popleft()
            result = self._held_back(letter) or self._deliver(letter)
            if self._selection.matches(letter):
                yield result

    def _held_back(self, letter: Letter) -> Result | None:
        older = self._blocked.get(letter.group)
        if not self._selection.matches(letter):
            self._blocked.setdefault(letter.group, letter.id)
            return Result(letter, "waiting", "not selected")
        if older is not None and not self._out_of_order:
            return Result(letter, "waiting", f"letter {older} of its group is older: retry it too, or drop it")
        return None

    def _deliver(self, letter: Letter) -> Result:
        store = self._store
        sink = store.sink(self._sink)
        if sink is None:
            return Result(letter, "waiting", f"sink {self._sink} is not configured")
        try:
            document = read_event(store.connection, letter)
            event = revive(document, source=store.settings.source, log_id=store.log_id)
        except EventRejected as error:
            return self._refused(letter, str(error))
        outcome = sink.deliver([event])
        if outcome.rejected:
            return self._refused(letter, outcome.rejected[0].error)
        if outcome.undelivered:
            self._blocked.setdefault(letter.group, letter.id)
            return Result(letter, "waiting", outcome.cause)
        settle(store.connection, [letter], "redriven")
        return Result(letter, "redriven")

    def _refused(self, letter: Letter, why: str) -> Result:
        note_refusal(self._store.connection, letter, why)
        return Result(letter, "refused", why)


def _by_sink(store: DeadLetterStore, selection: Selection) -> dict[str, list[Letter]]:
    """All open letters of the sinks concerned, selected or not: the others matter for the order."""
    letters = read_letters(store.connection)
    sinks = dict.fromkeys([*(letter.sink for letter in letters), *store.queues])
    return {
        sink: [letter for letter in letters if letter.sink == sink] for sink in sinks if selection.sink in (None, sink)
    }
