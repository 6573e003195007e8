"""What a write leaves in its row, and events carry to every receiver."""

from __future__ import annotations

import math
from dataclasses import dataclass

from loadtests.scenarios.names import CHAIN

_ROUNDING_SECONDS = 2e-6  # a mark is in whole microseconds


@dataclass(frozen=True)
class WriteMark:
    """The entity's how many'th write it is, and when it was due (microseconds, Unix time)."""

    number: int
    due_us: int

    def __str__(self) -> str:
        return f"{self.number}:{self.due_us}"

    def second(self, start_time: float) -> int:
        """The second of the schedule to which the write belongs; negative for one of a run before."""
        return math.floor(self.due_us / 1e6 - start_time + _ROUNDING_SECONDS)


def find_mark(chain: str, provenance: str | None) -> WriteMark | None:
    """The mark that an event carries; None where it is not of a load test's write."""
    if chain != CHAIN:
        return None
    number, _, due = (provenance or "").partition(":")
    try:
        return WriteMark(int(number), int(due))
    except ValueError:
        return None  # the seed of a table, or its removal
