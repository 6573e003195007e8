"""What the monitor does now and then with its connection."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import psycopg

from core.problem import Problem
from core.services.postgres import is_lost_connection
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    from core.trouble import Troubles

# A duty takes at most this share of a server's core, however large the tables are.
_SHARE = 0.02
_LONGEST_PAUSE_SECONDS = 60.0


class Duty:
    """One of them. What keeps it from being done is told once, and its end; `error` is the cause meanwhile."""

    def __init__(
        self,
        name: str,
        interval_seconds: float,
        do: Callable[[Connection], None],
        *,
        troubles: Troubles,
        on_problem: Callable[[Problem], None],
    ) -> None:
        self.error = ""
        self._name = name
        self._interval_seconds = interval_seconds
        self._do = do
        self._troubles = troubles
        self._on_problem = on_problem
        self._due_at = 0.0

    def do_when_due(self, connection: Connection) -> None:
        """Do it if it is time. Raises psycopg.Error where the connection is lost."""
        began_at = time.monotonic()
        if began_at < self._due_at:
            return
        longest_pause = float("inf")
        try:
            self._do(connection)
            self._note_success()
        except psycopg.Error as error:
            if is_lost_connection(error):
                raise
            self._note_failure(one_line(error))
            longest_pause = _LONGEST_PAUSE_SECONDS
        now = time.monotonic()
        self._due_at = began_at + max(self._interval_seconds, min((now - began_at) / _SHARE, longest_pause))

    def _note_success(self) -> None:
        if self.error:
            self.error = ""
            self._troubles.over("monitor", self._name)
            self._on_problem(Problem(f"monitor: {self._name} again", "monitor", logging.INFO))

    def _note_failure(self, cause: str) -> None:
        self._troubles.met("monitor", self._name, cause)
        if not self.error:
            text = f"monitor: it cannot do this now: {self._name}. {cause}. Trying again"
            self._on_problem(Problem(text, "monitor", facts={"error": cause}))
        self.error = cause
