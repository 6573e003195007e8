"""What the gateway counts of its connections; written by its loop alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class ChannelFigures:
    """Of one kind of live connection; all but `clients` are totals since the start."""

    clients: int = 0
    frames: int = 0
    written_bytes: int = 0


@dataclass
class ConnectionFigures:
    """Of all connections. The reasons are names for programs, few and fixed."""

    websocket: ChannelFigures = field(default_factory=ChannelFigures)
    sse: ChannelFigures = field(default_factory=ChannelFigures)
    disconnected: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def channels(self) -> dict[str, ChannelFigures]:
        return {"websocket": self.websocket, "sse": self.sse}
