"""Installing a watch again, where triggers.rearm allows it. The installer is handed in: core knows nothing of it."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from core.errors import RtpError
from core.problem import Problem
from core.services.postgres import connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    import psycopg

    from core.services.postgres import DatabaseServer

    Rearm: TypeAlias = Callable[[psycopg.Connection, str], str]
    """Installs the watch of that name again, judges what its table holds, and says what came of it. Raises RtpError."""

_AGAIN_SECONDS = 3.0
_SELDOM_SECONDS = 60.0


class Rearming:
    """Tries, and after a try that did not help ever less often: each may keep writers waiting for the table's lock."""

    def __init__(self, server: DatabaseServer, rearm: Rearm, on_problem: Callable[[Problem], None]) -> None:
        self._server = server
        self._rearm = rearm
        self._on_problem = on_problem
        self._connection: psycopg.Connection | None = None
        self._tries: dict[str, tuple[int, float]] = {}
        self._outcomes: dict[str, str] = {}
        self._told = ""

    def try_to_rearm(self, watch: str) -> bool:
        """Whether it is done; false where it failed, which is told, or is not to be tried yet."""
        tries, next_at = self._tries.get(watch, (0, 0.0))
        now = time.monotonic()
        if now < next_at:
            return False
        self._tries[watch] = (tries + 1, now + min(_AGAIN_SECONDS * 2**tries, _SELDOM_SECONDS))
        try:
            # Without a limit to its answers' time: a large table takes as long as it takes.
            with closing(
                connect(self._server.dsn, role="arming", timeout_seconds=self._server.connect_seconds)
            ) as found:
                self._connection = found
                self._outcomes[watch] = self._rearm(found, watch)
        except RtpError as error:
            self._tell(watch, f"watch {watch}: installing it again failed: {error}")
            return False
        finally:
            self._connection = None
        return True

    def take_outcome(self, watch: str) -> str | None:
        """What was done about a watch that is armed again; done now, where others have armed it. None: nothing was."""
        if watch not in self._outcomes:
            self.try_to_rearm(watch)
        self._tries.pop(watch, None)
        return self._outcomes.pop(watch, None)

    def cancel(self) -> bool:
        """Have an installation end that is under way, with nothing changed; false where there is none."""
        connection = self._connection
        if connection is not None:
            connection.cancel()
        return connection is not None

    def _tell(self, watch: str, text: str) -> None:
        if self._told != text:
            self._told = text
            self._on_problem(Problem(text, "arming", facts={"watch": watch}))
