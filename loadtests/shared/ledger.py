"""Was anything lost, and was the order kept? Every write numbers its entity's events: 1, 2, 3, without a gap."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Mark:
    """What a write leaves in its row: the entity's how many'th it is, and when it was due (microseconds, Unix time)."""

    number: int
    due_us: int

    def __str__(self) -> str:
        return f"{self.number}:{self.due_us}"

    @classmethod
    def read(cls, text: str) -> Mark:
        """The mark in an event's provenance. Raises ValueError where it is not one."""
        number, _, due = text.partition(":")
        return cls(int(number), int(due))


@dataclass(frozen=True)
class Account:
    """What a receiver got, compared with what was written."""

    received: int
    duplicates: int
    out_of_order: int
    lost: int


class Ledger:
    """What one receiver has got of each entity; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, int] = {}
        self._missing: dict[str, set[int]] = defaultdict(set)
        self._received = self._duplicates = self._out_of_order = 0

    def note(self, entity: str, number: int) -> bool:
        """An event has arrived; whether it is the first time. One that was skipped and comes later is out of order."""
        with self._lock:
            last = self._last.get(entity, 0)
            if number > last:
                self._missing[entity].update(range(last + 1, number))
                self._last[entity] = number
            elif number in self._missing[entity]:
                self._missing[entity].discard(number)
                self._out_of_order += 1
            else:
                self._duplicates += 1
                return False
            self._received += 1
            return True

    def encoded(self) -> dict[str, Any]:
        """As a JSON-ready document."""
        with self._lock:
            return {
                "received": self._received,
                "duplicates": self._duplicates,
                "out_of_order": self._out_of_order,
                "last": dict(self._last),
                "missing": sum(map(len, self._missing.values())),
            }


def settle(ledger: Mapping[str, Any], written: Mapping[str, int]) -> Account:
    """Compare an encoded ledger with how many events each entity was written."""
    never_came = sum(max(0, number - ledger["last"].get(entity, 0)) for entity, number in written.items())
    return Account(
        ledger["received"], ledger["duplicates"], ledger["out_of_order"], lost=ledger["missing"] + never_came
    )
