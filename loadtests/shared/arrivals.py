"""What has arrived at one place, event by event: what is missing, what came again, what came before its turn.

Each entity's events are numbered 1, 2, 3 ... in the order of its commits. An event seen again is repeated, which rtp
may do. Another event with a number seen before is a phantom: it tells of a change that was rolled back, or told twice.
"""

from __future__ import annotations

import threading
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST_REMARKS = 20


@dataclass(frozen=True)
class Completeness:
    """What arrived, compared with what was written. Repetitions are not in `received`."""

    received: int
    lost: int
    repeated: int
    out_of_order: int
    phantoms: int


@dataclass(frozen=True)
class Arrived:
    """What had arrived by some moment. `in_turn` and `early` are by entity: how many, and which, behind a gap."""

    received: int
    repeated: int
    out_of_order: int
    phantoms: int
    in_turn: Mapping[str, int]
    early: Mapping[str, Sequence[int]]

    def completeness(self, written: Mapping[str, int]) -> Completeness:
        """Compare with how many events of each entity were written."""
        lost = sum(self._lost_of(entity, number) for entity, number in written.items())
        beyond = sum(self._beyond(entity, written.get(entity, 0)) for entity in self.in_turn)
        return Completeness(self.received, lost, self.repeated, self.out_of_order, self.phantoms + beyond)

    def _lost_of(self, entity: str, written: int) -> int:
        early = sum(number <= written for number in self.early.get(entity, ()))
        return max(0, written - self.in_turn.get(entity, 0) - early)

    def _beyond(self, entity: str, written: int) -> int:
        """How many events have arrived that were never written."""
        return max(0, self.in_turn[entity] - written) + sum(number > written for number in self.early.get(entity, ()))


@dataclass
class _EntityArrivals:
    in_turn: array[int] = field(default_factory=lambda: array("q"))  # the sequences of the numbers 1, 2, 3 ...
    early: dict[int, int] = field(default_factory=dict)  # what came before its turn: number and sequence
    highest: tuple[int, int] = (0, -1)  # number and sequence

    def sequence_of(self, number: int) -> int | None:
        if 0 < number <= len(self.in_turn):
            return self.in_turn[number - 1]
        return self.early.get(number)

    def add(self, number: int, sequence: int) -> None:
        self.early[number] = sequence
        while (next_one := self.early.pop(len(self.in_turn) + 1, None)) is not None:
            self.in_turn.append(next_one)


class Arrivals:
    """May be used by any thread."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.received = 0
        self.repeated = 0
        self.out_of_order = 0
        self.phantoms = 0
        self.remarks: list[str] = []
        self._lock = threading.Lock()
        self._entities: dict[str, _EntityArrivals] = {}

    def note(self, entity: str, number: int, sequence: int | None = None) -> bool:
        """Note an event, and whether it came for the first time. `sequence` is its place in the log, where known."""
        sequence = number if sequence is None else sequence
        with self._lock:
            arrived = self._entities.get(entity)
            if arrived is None:
                arrived = self._entities[entity] = _EntityArrivals()
            known = arrived.sequence_of(number)
            if known is not None or number < 1:
                self._note_again(entity, number, sequence, known)
                return False
            self.received += 1
            self._note_order(entity, number, sequence, arrived)
            arrived.add(number, sequence)
            return True

    def skip(self, entity: str, number: int, sequence: int | None = None) -> None:
        """Excuse an event that will never arrive: what comes behind it is in its turn."""
        if self.note(entity, number, sequence):
            self.received -= 1

    def arrived(self) -> Arrived:
        with self._lock:
            return Arrived(
                self.received,
                self.repeated,
                self.out_of_order,
                self.phantoms,
                {entity: len(arrived.in_turn) for entity, arrived in self._entities.items()},
                {entity: list(arrived.early) for entity, arrived in self._entities.items() if arrived.early},
            )

    def has_all(self, written: Mapping[str, int]) -> bool:
        """Whether every entity's events have arrived up to this number, without a gap."""
        with self._lock:
            return all(self._in_turn_of(entity) >= number for entity, number in written.items())

    def behind(self, written: Mapping[str, int]) -> list[str]:
        """The entities whose events have not arrived up to this number."""
        with self._lock:
            arrived = ((entity, self._in_turn_of(entity), number) for entity, number in written.items())
            return [f"{entity} at {now}, not {number}" for entity, now, number in arrived if now < number]

    def _in_turn_of(self, entity: str) -> int:
        arrived = self._entities.get(entity)
        return len(arrived.in_turn) if arrived else 0

    def _note_again(self, entity: str, number: int, sequence: int, known: int | None) -> None:
        if known == sequence:
            self.repeated += 1
        else:
            self.phantoms += 1
            self._remark(f"{entity}: number {number} as sequence {known} and as {sequence}")

    def _note_order(self, entity: str, number: int, sequence: int, arrived: _EntityArrivals) -> None:
        highest, its_sequence = arrived.highest
        if number < highest or sequence <= its_sequence:
            self.out_of_order += 1
            self._remark(f"{entity}: number {number} (sequence {sequence}) came after {highest} ({its_sequence})")
        arrived.highest = max(arrived.highest, (number, sequence))

    def _remark(self, remark: str) -> None:
        if len(self.remarks) < _MOST_REMARKS:
            self.remarks.append(f"{self.place}: {remark}")
