"""The loop that looks every few seconds whether each watch is armed, and has it installed again where that is wanted.

PostgreSQL tells nobody that a table was replaced or a trigger disabled: rtp would go on for ever, and hear of nothing.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from core.arming.alarm import ArmingAlarm
from core.arming.alias_alarm import AliasAlarm
from core.arming.look import note_missed, read_arming
from core.errors import ServiceUnavailable
from core.leading.loop import Loop
from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    import psycopg

    from core.arming.look import WatchArming
    from core.arming.rearming import Rearming
    from core.leading.epoch import Epoch, Epochs
    from core.problem import Problem
    from core.services.postgres import DatabaseServer
    from core.services.recovery import Recovery
    from core.settings.watches import Watch
    from core.trouble import Troubles

_QUERIES = queries("core.sql", "arming.sql")
_LOOK_SECONDS = 2.0
# A look takes about a millisecond. Where there are thousands of partitions looks are rarer, but no rarer than this.
_SELDOM_SECONDS = 5.0
_SHARE = 0.005


class ArmingLoop(Loop):
    """While this rtp leads, `watches` are the installed watches as they were last seen."""

    def __init__(
        self,
        server: DatabaseServer,
        epochs: Epochs,
        *,
        recovery: Recovery,
        on_problem: Callable[[Problem], None],
        declared: Mapping[str, Watch],
        troubles: Troubles,
        rearming: Rearming | None = None,
    ) -> None:
        super().__init__("arming", epochs)
        self.watches: Sequence[WatchArming] = ()
        self.since: Mapping[str, datetime] = {}
        """The watches that are not armed, and when that was found."""
        self._server = server
        self._recovery = recovery
        self._on_problem = on_problem
        self._rearming = rearming
        self._aliases = AliasAlarm(declared, troubles, on_problem)

    def abandon(self) -> bool:
        """An installation that is under way ends, with nothing changed."""
        return self._rearming is not None and self._rearming.cancel()

    def _serve(self, epoch: Epoch) -> None:
        alarm = ArmingAlarm(self._on_problem, rearms=self._rearming is not None)
        while self._recovery.wait_for_turn(self._halt) and not epoch.is_over:
            try:
                with self._server.translated(), ExitStack() as sessions:
                    connection = sessions.enter_context(self._server.connect(self.name, is_hasty=False))
                    connection.execute(_QUERIES["plan_once"])
                    aliases = self._alias_look(sessions)
                    self._watch(connection, alarm, aliases)
            except ServiceUnavailable as error:
                self._recovery.failed(error)
                self._recovery.pause(self._halt)
        self.watches, self.since = (), {}
        self._aliases.rest()
        self._recovery.rest()

    def _alias_look(self, sessions: ExitStack) -> Callable[[], None]:
        """The look at the tables of aliases, in a session of its own.

        Each such look is rolled back, after which psycopg has the server forget the session's prepared plans.
        """
        if not self._aliases.has_tables:
            return lambda: None
        session = sessions.enter_context(self._server.connect("aliases", is_hasty=False))
        return partial(self._aliases.look, session)

    def _watch(self, connection: psycopg.Connection, alarm: ArmingAlarm, look_at_aliases: Callable[[], None]) -> None:
        took_seconds: deque[float] = deque(maxlen=5)  # of which the shortest waited for nobody
        while not self._halt.is_set():
            started = time.monotonic()
            self.watches = read_arming(connection)
            seconds = time.monotonic() - started
            self._recovery.succeeded()
            note_missed(connection, self.watches)
            for watch in alarm.note(self.watches):
                # Whoever has armed it, what was written meanwhile is judged now, where rtp may install.
                alarm.ended(watch, self._rearming.take_outcome(watch.watch) if self._rearming is not None else None)
            self.since = alarm.since()
            started = time.monotonic()
            look_at_aliases()
            took_seconds.append(seconds + time.monotonic() - started)
            if not self._rearm():
                self._halt.wait(min(max(_LOOK_SECONDS, min(took_seconds) / _SHARE), _SELDOM_SECONDS))

    def _rearm(self) -> bool:
        """Install those again where that helps; whether there is one that should be armed now."""
        if self._rearming is None:
            return False
        wanted = [watch.watch for watch in self.watches if watch.is_rearmable]
        return sum(map(self._rearming.try_to_rearm, wanted)) > 0
