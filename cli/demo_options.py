"""What `rtp run --demo` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class DemoOptions:
    """What a demo can be told."""

    config: Path | None
    feed: Path | None
    speed: str
    seed: int
    rate: float
    http: str | None = None
    is_plain: bool = False
    serves: bool = False
    listen: str | None = None
    notifies: bool = False
