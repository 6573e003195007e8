"""Whether a peer brought every event, and how fast: its receipts against what was written."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadtests.benchmarks.peers.receipts import Receipt

Counts = dict[str, int]
"""How often each entity was written so far."""


@dataclass(frozen=True)
class Account:
    """`repeated`: deliveries beyond the first. `disordered`: first deliveries behind a later one of the same entity."""

    written: int
    received: int
    lost: int
    repeated: int
    disordered: int


class Phase:
    """The events written between two moments, each given by the counts of then, and what came of them."""

    def __init__(self, before: Mapping[str, int]) -> None:
        self._before = before
        self._seen: dict[str, set[int]] = defaultdict(set)
        self._repeated = self._disordered = 0
        self.first: list[Receipt] = []

    def add(self, receipts: Iterable[Receipt]) -> None:
        """What has come; events of before this phase are not its own."""
        for receipt in receipts:
            if receipt.entity not in self._before or receipt.number <= self._before[receipt.entity]:
                continue
            seen = self._seen[receipt.entity]
            if receipt.number in seen:
                self._repeated += 1
                continue
            self._disordered += bool(seen) and receipt.number < max(seen)
            seen.add(receipt.number)
            self.first.append(receipt)

    @property
    def received(self) -> int:
        """How many different events have come so far."""
        return len(self.first)

    def account(self, after: Mapping[str, int]) -> Account:
        """What it comes to, once the writing has ended."""
        written = sum(after[entity] - number for entity, number in self._before.items())
        return Account(written, self.received, written - self.received, self._repeated, self._disordered)

    def latencies_ms(self) -> list[float]:
        """From each update's own clock to its first receipt, sorted."""
        return sorted((receipt.received_at - receipt.changed_at) * 1000 for receipt in self.first)

    def seconds(self) -> float:
        """From the first update to the last receipt."""
        if not self.first:
            return 0.0
        return max(r.received_at for r in self.first) - min(r.changed_at for r in self.first)


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value that `share` (0..1) of them do not exceed; None without any."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None
