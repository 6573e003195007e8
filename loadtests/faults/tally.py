"""What has arrived at one place, event by event: nothing may be missing, and nothing may come before its turn.

An entity's values are 2, 3, 4 ... in the order of its commits. An event seen again is a duplicate, which rtp may make;
another event with a value seen before is a phantom: it tells of a change that was rolled back, or told twice.
"""

from __future__ import annotations

import json
import threading
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_VALUE = 2


class Sighting(NamedTuple):
    """An event as the checker sees it: whose, which value, and its place in the log."""

    entity: str
    value: int
    sequence: int


def sighting(document: str | bytes) -> Sighting:
    """Read an event's document."""
    event: Any = json.loads(document)
    data = event["data"]
    name = f"{data['kind']}:{data['chain']}:{data['entity']}"
    value = data["fields"]["name"]["current"][1:] if data["kind"] == "protocol" else data["current"]
    return Sighting(name, int(value), int(event["sequence"]))


@dataclass
class _Progress:
    in_order: array[int] = field(default_factory=lambda: array("q"))  # the sequences of the values 2, 3, 4 ...
    early: dict[int, int] = field(default_factory=dict)  # what came before its turn: value and sequence


class Tally:
    """Thread-safe: one thread notes, others ask."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events = 0
        self.duplicates = 0
        self.reordered = 0
        self.phantoms = 0
        self.remarks: list[str] = []
        self._lock = threading.Lock()
        self._progress: dict[str, _Progress] = {}

    def note(self, seen: Sighting) -> bool:
        """An event has arrived; whether for the first time."""
        with self._lock:
            progress = self._progress.setdefault(seen.entity, _Progress())
            expected = FIRST_VALUE + len(progress.in_order)
            known = progress.early.get(seen.value)
            if seen.value < expected:
                known = progress.in_order[seen.value - FIRST_VALUE] if seen.value >= FIRST_VALUE else -1
            if known is not None:
                self._note_again(seen, known)
                return False
            self.events += 1
            if seen.value > expected:
                progress.early[seen.value] = seen.sequence
            else:
                self._note_next(progress, seen)
            return True

    def skip(self, seen: Sighting) -> None:
        """An event that will never arrive, through no fault of rtp's: what comes behind it is in its turn."""
        if self.note(seen):
            self.events -= 1

    def reached(self, wanted: Mapping[str, int]) -> bool:
        """Whether every entity has arrived up to this value, without a gap."""
        with self._lock:
            return all(self._reached_by(entity) >= value for entity, value in wanted.items())

    def missing(self, final: Mapping[str, int]) -> int:
        """How many events of what is committed have not arrived."""
        with self._lock:
            return sum(self._missing_of(entity, value) for entity, value in final.items())

    def beyond(self, final: Mapping[str, int]) -> int:
        """How many events have arrived that were never committed."""
        with self._lock:
            return sum(
                max(0, FIRST_VALUE + len(progress.in_order) - 1 - final.get(entity, 1))
                + sum(value > final.get(entity, 1) for value in progress.early)
                for entity, progress in self._progress.items()
            )

    def behind(self, wanted: Mapping[str, int]) -> list[str]:
        """The entities that have not arrived up to this value."""
        with self._lock:
            reached = ((entity, self._reached_by(entity), value) for entity, value in wanted.items())
            return [f"{entity} at {now}, not {value}" for entity, now, value in reached if now < value]

    def _note_again(self, seen: Sighting, known: int) -> None:
        if known == seen.sequence:
            self.duplicates += 1
        else:
            self.phantoms += 1
            self._remark(f"{seen.entity}: value {seen.value} as sequence {known} and as {seen.sequence}")

    def _note_next(self, progress: _Progress, seen: Sighting) -> None:
        if progress.early:
            self._note_reordered(f"{seen.entity}: value {seen.value} came after {min(progress.early)}")
        elif progress.in_order and progress.in_order[-1] >= seen.sequence:
            self._note_reordered(f"{seen.entity}: sequence {seen.sequence} came after {progress.in_order[-1]}")
        progress.in_order.append(seen.sequence)
        while (value := FIRST_VALUE + len(progress.in_order)) in progress.early:
            progress.in_order.append(progress.early.pop(value))

    def _note_reordered(self, remark: str) -> None:
        self.reordered += 1
        self._remark(remark)

    def _remark(self, remark: str) -> None:
        if len(self.remarks) < 20:
            self.remarks.append(f"{self.name}: {remark}")

    def _reached_by(self, entity: str) -> int:
        progress = self._progress.get(entity)
        return FIRST_VALUE - 1 + (len(progress.in_order) if progress else 0)

    def _missing_of(self, entity: str, value: int) -> int:
        progress = self._progress.get(entity, _Progress())
        expected = FIRST_VALUE + len(progress.in_order)
        early = sum(expected <= seen <= value for seen in progress.early)
        return max(0, value + 1 - expected) - early
