"""Watches whose tables could not be read a moment ago: when to try again, and when to say so again."""

from __future__ import annotations

import time

AGAIN_SECONDS = 1.0
"""A right that was granted, or a table that is back, is waited for by somebody."""
_SAID_AGAIN_SECONDS = 60.0


class Unreadable:
    """One table is asked as often as this, however many looks wait for it."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}
        self._said_at: dict[int, float] = {}

    @property
    def watches(self) -> list[int]:
        """Those that need not be asked yet."""
        now = time.monotonic()
        return [watch for watch, until in self._until.items() if now < until]

    def note(self, watch: int) -> bool:
        """Note that its table cannot be read; whether that is to be said."""
        now = time.monotonic()
        self._until[watch] = now + AGAIN_SECONDS
        is_said = now >= self._said_at.get(watch, 0.0)
        if is_said:
            self._said_at[watch] = now + _SAID_AGAIN_SECONDS
        return is_said

    def is_over(self, watch: int) -> None:
        """Note that its table has been read."""
        self._until.pop(watch, None)
        self._said_at.pop(watch, None)
