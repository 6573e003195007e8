"""Everything that the processes of a load test have told, before it is judged."""

from __future__ import annotations

from dataclasses import dataclass, field

from loadtests.scenarios.processes.tick import Timeline
from loadtests.shared.arrivals import Arrived


@dataclass
class Recording:
    """`arrived` is by receiver, `written` by entity: how often it was written."""

    timeline: Timeline = field(default_factory=Timeline)
    arrived: dict[str, Arrived] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
