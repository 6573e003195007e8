"""The events written between two moments, and what came of them: whether a peer brought every one, and how fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtests.shared.arrivals import Arrivals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from loadtests.benchmarks.peers.receipts import Receipt

Counts = dict[str, int]
"""How often each entity was written so far."""


@dataclass(frozen=True)
class Brought:
    """What a peer brought of what was written. `disordered`: first deliveries behind a later one of the same entity."""

    written: int
    received: int
    lost: int
    repeated: int
    disordered: int


class Phase:
    """Begins with the counts of now."""

    def __init__(self, before: Mapping[str, int]) -> None:
        self._before = before
        self._arrivals = Arrivals("consumer")
        self.first: list[Receipt] = []

    def add(self, receipts: Iterable[Receipt]) -> None:
        """Note what has come; events of before this phase, and entities that are not counted, are not its own."""
        for receipt in receipts:
            number = receipt.number - self._before.get(receipt.entity, receipt.number)
            if number > 0 and self._arrivals.note(receipt.entity, number):
                self.first.append(receipt)

    def brought(self, after: Mapping[str, int]) -> Brought:
        """What it comes to, once the writing has ended."""
        written = {entity: after[entity] - number for entity, number in self._before.items()}
        found = self._arrivals.arrived().completeness(written)
        return Brought(sum(written.values()), found.received, found.lost, found.repeated, found.out_of_order)

    def latencies(self) -> list[float]:
        """Seconds from each update's own clock to its first receipt, sorted."""
        return sorted(receipt.received_at - receipt.changed_at for receipt in self.first)

    def seconds(self) -> float:
        """From the first update to the last receipt."""
        if not self.first:
            return 0.0
        return max(r.received_at for r in self.first) - min(r.changed_at for r in self.first)
