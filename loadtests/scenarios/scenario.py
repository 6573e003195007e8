"""The scenarios of `rtp loadtest`: what is written, in which rhythm, and what is required of rtp meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.errors import SettingsError


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


_ALL = (
    Scenario("steady", "single-row updates, evenly spaced"),
    Scenario("bulk", "upserts of 50 rows a statement", entities=5000, rows_per_write=50),
    Scenario("append", "a new row per sample in a history table", shape="history"),
    # As where blocks arrive, and with each a crowd of changes.
    Scenario("burst", "all writes of 3 s within the first one", period_seconds=3, busy_share=1 / 3),
    # All rows of a wave carry nearly the same clock: end to end is the time to deliver the whole wave, not one event.
    Scenario("crash", "every entity moves at once, in one statement", rows_per_write=1000, end_to_end_ms=1000),
    Scenario("soak", "as steady, but long: memory and p99 must not drift", seconds=600, watches_drift=True),
)
SCENARIOS = {scenario.name: scenario for scenario in _ALL}


def find_scenario(name: str) -> Scenario:
    """The scenario of that name. Raises SettingsError where there is none."""
    try:
        return SCENARIOS[name]
    except KeyError:
        raise SettingsError(f"option --scenario: must be one of {', '.join(SCENARIOS)}") from None
