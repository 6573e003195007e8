"""The alarm when a sink falls behind: named once when it starts and once when it ends. Nothing is lost meanwhile."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from core.problem import Problem
from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from psycopg import Connection

    from core.settings.models import LogSettings

_QUERIES = queries("core.sql", "lag.sql")


def is_too_far_behind(seconds: float, size_bytes: float, settings: LogSettings) -> bool:
    """Whether that much waiting is a reason for an alarm."""
    return seconds >= settings.alarm_after_seconds or size_bytes >= settings.alarm_after_bytes


class LagAlarm:
    """Watches over the cursors of all sinks, and says what somebody should look at."""

    def __init__(self, settings: LogSettings, sinks: Collection[str], *, on_problem: Callable[[Problem], None]) -> None:
        self._settings = settings
        self._sinks = sinks
        self._on_problem = on_problem
        self._behind: set[str] = set()
        self._named: set[str] = set()
        self._lags: dict[str, tuple[float, int]] = {}

    def check(self, connection: Connection) -> None:
        """Look at every cursor; tell what is new."""
        found = connection.execute(_QUERIES["lags"], prepare=True).fetchall()
        self._lags = {sink: (seconds, size_bytes) for sink, seconds, size_bytes in found}
        for sink, seconds, size_bytes in found:
            if sink in self._sinks:
                self._judge(sink, seconds, size_bytes)
            elif sink not in self._named:
                self._named.add(sink)
                text = (
                    f"sink {sink} has a cursor but is not configured, and the log is kept for it. "
                    f"If it is no longer used, run `rtp reset-cursor --sink {sink} --forget`"
                )
                self._on_problem(Problem(text, "lag", facts={"sink": sink}))

    def lag_of(self, sink: str) -> tuple[float, int]:
        """By how many seconds and bytes a sink's cursor was behind when last looked at."""
        return self._lags.get(sink, (0.0, 0))

    def _judge(self, sink: str, seconds: float, size_bytes: int) -> None:
        if sink not in self._behind:
            if is_too_far_behind(seconds, size_bytes, self._settings):
                self._behind.add(sink)
                text = f"sink {sink} is behind: {_amount(seconds, size_bytes)}. Nothing is lost meanwhile"
                self._on_problem(Problem(text, "lag", facts=_facts(sink, seconds, size_bytes)))
        # Half of it, or a sink at the limit would be named again and again.
        elif not is_too_far_behind(seconds * 2, size_bytes * 2, self._settings):
            self._behind.discard(sink)
            text = f"sink {sink} has caught up: {_amount(seconds, size_bytes)}"
            self._on_problem(Problem(text, "lag", logging.INFO, _facts(sink, seconds, size_bytes)))


def _facts(sink: str, seconds: float, size_bytes: int) -> dict[str, Any]:
    return {"sink": sink, "lag_seconds": round(seconds, 3), "lag_bytes": size_bytes}


def _amount(seconds: float, size_bytes: int) -> str:
    return f"its oldest event waits for {seconds:,.0f} s, and {size_bytes / 1e6:,.1f} MB of the log"
