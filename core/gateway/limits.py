"""How many live connections there may be, from where, and how fast one client may ask."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings.serve import ServeLimits


class TooMany(Exception):
    """There is no place for a connection; the message says of which kind."""


class Places:
    """The live connections, in all and by address."""

    def __init__(self, limits: ServeLimits) -> None:
        self._limits = limits
        self._taken = Counter[str]()
        self._in_all = 0

    @contextmanager
    def one_for(self, address: str) -> Iterator[None]:
        """A place for as long as the connection lasts. Raises TooMany."""
        if self._in_all >= self._limits.connections:
            raise TooMany(f"there are {self._limits.connections:,} connections already; try again later")
        if self._taken[address] >= self._limits.connections_per_address:
            most = self._limits.connections_per_address
            raise TooMany(f"there are {most:,} connections from your address already; close some")
        self._in_all += 1
        self._taken[address] += 1
        try:
            yield
        finally:
            self._in_all -= 1
            self._taken[address] -= 1
            if not self._taken[address]:
                del self._taken[address]


class Allowance:
    """So many messages a second, and `at_once` more: a client that comes back asks for all its subscriptions."""

    def __init__(self, per_second: float, at_once: int) -> None:
        self._per_second = per_second
        self._most = per_second + at_once
        self._left = self._most
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Whether one more is allowed."""
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
