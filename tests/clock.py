"""Time that moves when told to."""

from __future__ import annotations


class Clock:
    """To be passed in where rtp takes a clock."""

    now = 100.0

    def __call__(self) -> float:
        return self.now
