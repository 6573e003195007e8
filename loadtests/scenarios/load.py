"""What a load test offers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadtests.scenarios.scenario import Scenario

_LONGEST_WARM_UP_SECONDS = 30


@dataclass(frozen=True)
class Load:
    """Rows a second over so many seconds, after a warm-up that is not measured."""

    scenario: Scenario
    rate: float
    seconds: float
    warm_up_seconds: int
    web_port: int | None = None
    csv_prefix: str | None = None

    @property
    def is_shown_by_locust(self) -> bool:
        """Whether anybody sees Locust's statistics, in the web UI or in its CSV files."""
        return self.web_port is not None or self.csv_prefix is not None

    @property
    def total_seconds(self) -> float:
        return self.warm_up_seconds + self.seconds


def warm_up(scenario: Scenario, rate: float, seconds: float) -> int:
    """How many seconds to warm up before so many measured ones: long enough that every entity has had an event."""
    every_entity = math.ceil(scenario.entities / rate)
    return max(1, min(_LONGEST_WARM_UP_SECONDS, max(every_entity, min(5, round(seconds / 10)))))
