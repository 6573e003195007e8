"""What the gateway counts of its connections; written by its loop alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class ConnectionFigures:
    """Totals since the start, but for `clients`, which are those that are there."""

    clients: Counter[str] = field(default_factory=Counter)
    frames: Counter[str] = field(default_factory=Counter)
    written_bytes: Counter[str] = field(default_factory=Counter)
    disconnected: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
