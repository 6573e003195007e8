"""Everything that the processes of a load test have told, before it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loadtests.scenarios.processes.tick import Timeline


@dataclass
class Recording:
    """`ledgers` is by receiver, `written` by entity: how often it was written."""

    timeline: Timeline = field(default_factory=Timeline)
    ledgers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
