"""What a scenario is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Scenario:
    """Writes to a table of `entities` protocols, each write significant, at times that are fixed in advance.

    `rate` is in rows per second, as an average; a write is one statement over `rows_per_write` rows in a transaction
    of its own. With `busy_share` below 1 all writes of a period come in its first part. The limits are at p99.
    """

    name: str
    summary: str
    rate: int = 1000
    seconds: float = 60
    shape: Literal["latest", "history"] = "latest"
    entities: int = 1000
    rows_per_write: int = 1
    period_seconds: float = 1
    busy_share: float = 1
    end_to_end_ms: float = 100
    watches_drift: bool = False
