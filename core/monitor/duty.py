"""What the monitor does now and then with its connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from core.services.hitch import Hitch
from core.services.postgres import is_lost_connection
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    from core.problem import Problem
    from core.trouble import Troubles

# A duty takes at most this share of a server's core, however large the tables are.
_SHARE = 0.02
_LONGEST_PAUSE_SECONDS = 60.0


class Duty:
    """One of them. What keeps it from being done is told once, and its end."""

    def __init__(
        self,
        name: str,
        interval_seconds: float,
        do: Callable[[Connection], None],
        *,
        troubles: Troubles,
        on_problem: Callable[[Problem], None],
    ) -> None:
        self._name = name
        self._interval_seconds = interval_seconds
        self._do = do
        self._hitch = Hitch("monitor", name, troubles=troubles, on_problem=on_problem)
        self._due_at = 0.0

    @property
    def error(self) -> str:
        """Why it cannot be done now; empty where it can."""
        return self._hitch.cause

    def do_when_due(self, connection: Connection) -> None:
        """Do it if it is time. Raises psycopg.Error where the connection is lost."""
        began_at = time.monotonic()
        if began_at < self._due_at:
            return
        longest_pause = float("inf")
        try:
            self._do(connection)
            self._hitch.worked(f"monitor: {self._name} again")
        except psycopg.Error as error:
            if is_lost_connection(error):
                raise
            cause = one_line(error)
            self._hitch.failed(cause, f"monitor: it cannot do this now: {self._name}. {cause}. Trying again")
            longest_pause = _LONGEST_PAUSE_SECONDS
        now = time.monotonic()
        self._due_at = began_at + max(self._interval_seconds, min((now - began_at) / _SHARE, longest_pause))
