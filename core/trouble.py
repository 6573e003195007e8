"""What keeps parts of rtp from their work now: the cause, since when, and how many tries have failed."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rtp_client.event import format_time

if TYPE_CHECKING:
    from collections.abc import Callable


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Trouble:
    """What `part`, a loop or a sink, cannot do with a service."""

    part: str
    service: str
    cause: str
    since: datetime
    failures: int = 1

    def as_json(self) -> dict[str, Any]:
        """As a JSON-ready dictionary."""
        return {**asdict(self), "since": format_time(self.since)}


class Troubles:
    """Whoever meets a trouble says so here, and when it is over. Thread-safe."""

    def __init__(self, clock: Callable[[], datetime] = now) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._met: dict[tuple[str, str], Trouble] = {}

    def met(self, part: str, service: str, cause: str) -> Trouble:
        """One more failure; the trouble lasts since the first one."""
        with self._lock:
            known = self._met.get((part, service))
            trouble = (
                replace(known, cause=cause, failures=known.failures + 1)
                if known
                else Trouble(part, service, cause, self._clock())
            )
            self._met[part, service] = trouble
            return trouble

    def over(self, part: str, service: str) -> None:
        """The part does its work again."""
        with self._lock:
            self._met.pop((part, service), None)

    def current(self) -> list[Trouble]:
        """All that there are, the longest first."""
        with self._lock:
            return sorted(self._met.values(), key=lambda trouble: trouble.since)
