"""Which reads of this process are about to fill which keys: one of them does it, and the others wait for that."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


class _Flag(Protocol):
    def set(self) -> object: ...


E = TypeVar("E", bound=_Flag)


class Flights(Generic[E]):
    """A read is known by the event that is set when it is done."""

    def __init__(self) -> None:
        self._flights: dict[str, E] = {}
        self._lock = threading.Lock()

    def join(self, keys: Iterable[str], read: E) -> Collection[str]:
        """Register keys as this read's. Those that are another's already are returned, and stay its."""
        with self._lock:
            return {key for key in keys if self._flights.setdefault(key, read) is not read}

    def of_others(self, keys: Iterable[str]) -> list[E]:
        """The reads that are not done with these keys."""
        with self._lock:
            return list({id(read): read for key in keys if (read := self._flights.get(key))}.values())

    def done(self, read: E) -> None:
        """Take a read's keys out, and wake those who wait for it."""
        with self._lock:
            self._flights = {key: other for key, other in self._flights.items() if other is not read}
        read.set()
