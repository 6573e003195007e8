"""One rtp run leads, the others stand by and take over.

- Liveness: the leader's session holds an advisory lock, which PostgreSQL gives back the moment that session ends: kill
  -9, a cut connection. A standby tries it some times a second.
- A leader that neither works nor ends (a stopped process, a machine that is gone) keeps its session. So the leader also
  renews a row, and a standby that has not seen the row change for a lease ends that session. The standby measures by
  its own monotonic clock, between its own looks: a clock that steps, or a look that came late, deposes nobody.
- Fencing: a takeover does not stop the former leader at that instant. Every epoch has a number (`core.leading.epoch`),
  and cursors and Redis refuse lower ones; before each message to SQS its sender looks whether the epoch is good.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import RtpError, ServiceUnavailable
from core.leading.epoch import Epoch, clock
from core.leading.leader_row import Silence, try_to_lead
from core.log.installation import read_installation
from core.problem import Problem
from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    from core.leading.epoch import Epochs
    from core.leading.leader_row import LeaderRow
    from core.services.postgres import DatabaseServer
    from core.services.recovery import Recovery

_QUERIES = queries("core.sql", "leader.sql")
_TRY_SECONDS = 0.2
_LOOK_SECONDS = 0.2
_BEATS_PER_LEASE = 10


@dataclass(frozen=True)
class LeaderStatus:
    """What this process is, `starting`, `leader` or `standby`; and who leads, in which epoch."""

    role: str
    epoch: int
    leader: str


class Election:
    """Campaigns in a thread of its own; begins an epoch when it wins, and ends it when it loses."""

    def __init__(
        self,
        server: DatabaseServer,
        epochs: Epochs,
        *,
        lease_seconds: float,
        recovery: Recovery,
        on_problem: Callable[[Problem], None],
    ) -> None:
        self.failure: RtpError | None = None
        self._server = server
        self._epochs = epochs
        self._lease_seconds = lease_seconds
        self._recovery = recovery
        self._on_problem = on_problem
        self._status = LeaderStatus("starting", 0, "")
        self._stood_by_since: float | None = None
        self._above = self._left_epoch = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtp-election", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Give up the lead, or the wait for it. To be called once the loops have ended: then a standby takes over."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def status(self) -> LeaderStatus:
        return self._status

    def _run(self) -> None:
        try:
            while self._recovery.wait_for_turn(self._stopping):
                try:
                    self._campaign()
                except ServiceUnavailable as error:
                    self._recovery.failed(error)
                    # Also after a first loss: this process's own loops, whose epoch is over, close their sessions
                    # meanwhile, before `end_predecessors` could find them.
                    self._stopping.wait(_TRY_SECONDS)
        except RtpError as error:
            self.failure = error

    def _campaign(self) -> None:
        """Wait for the lead, and hold it as long as possible; with one connection, whose end ends both."""
        with self._server.translated(), self._server.connect("leader") as connection:
            read_installation(connection)
            silence = Silence()
            while not self._stopping.is_set():
                leader = try_to_lead(connection)
                if leader.is_free:
                    self._lead(connection)
                    return
                self._recovery.succeeded()
                self._stand_by(connection, leader)
                silence.note(leader)
                # A session of ours that was given up as dead may still hold the lock: nobody else can have that epoch.
                if silence.seconds >= leader.lease_seconds or leader.epoch == self._left_epoch:
                    connection.execute(_QUERIES["depose"], {"epoch": leader.epoch})
                self._stopping.wait(_TRY_SECONDS)

    def _stand_by(self, connection: Connection, leader: LeaderRow) -> None:
        name = f"{leader.host} (pid {leader.pid})"
        status = LeaderStatus("standby", leader.epoch, name)
        if self._status == status:
            return
        if self._stood_by_since is None:
            self._stood_by_since = time.monotonic()
            text = f"standby: rtp on {name} leads, and this one takes over when it ends"
            self._on_problem(Problem(text, "leader", logging.INFO, {"role": "standby", "leader": name}))
        # PostgreSQL keeps 63 bytes of it: the pid first.
        connection.execute(_QUERIES["rename_session"], {"name": f"rtp standby {os.getpid()}@{socket.gethostname()}"})
        self._status = status

    def _lead(self, connection: Connection) -> None:
        epoch = self._take_the_lead(connection)
        self._recovery.succeeded()  # not before: a lock is also had on a database that nobody can write to
        try:
            self._epochs.begin(epoch)
            self._hold_the_lead(connection, epoch)
        finally:
            epoch.end()
            self._above, self._left_epoch = max(self._above, epoch.surpassed_by), epoch.number
            if not self._stopping.is_set():  # else the last status says who led until the end
                self._status = LeaderStatus("starting", epoch.number, "")

    def _take_the_lead(self, connection: Connection) -> Epoch:
        values = {"host": socket.gethostname(), "pid": os.getpid(), "lease": self._lease_seconds, "above": self._above}
        asked_at = clock()
        row = connection.execute(_QUERIES["take_the_lead"], values).fetchone()
        assert row is not None
        connection.execute(_QUERIES["end_predecessors"], {"names": [f"rtp {name}" for name in self._epochs.loops]})
        connection.execute(_QUERIES["rename_session"], {"name": "rtp leader"})
        connection.execute("SET synchronous_commit TO off")  # of a heartbeat nothing need outlive the server
        self._status = LeaderStatus("leader", row[0], f"{values['host']} (pid {values['pid']})")
        if self._stood_by_since is not None:
            waited_seconds = time.monotonic() - self._stood_by_since
            text = f"leading now, after {waited_seconds:,.1f} s as standby"
            facts = {"role": "leader", "epoch": row[0], "waited_seconds": round(waited_seconds, 3)}
            self._on_problem(Problem(text, "leader", logging.INFO, facts))
            self._stood_by_since = None
        epoch = Epoch(row[0], lease_seconds=self._lease_seconds)
        epoch.confirm(asked_at)
        return epoch

    def _hold_the_lead(self, connection: Connection, epoch: Epoch) -> None:
        beat_seconds = self._lease_seconds / _BEATS_PER_LEASE
        renewed_at = clock()
        while not self._stopping.is_set() and not epoch.is_over:
            # Not a sleep: where the connection is cut, this ends at once.
            next(connection.notifies(timeout=min(_LOOK_SECONDS, beat_seconds), stop_after=1), None)
            asked_at = clock()
            if asked_at - renewed_at >= beat_seconds:
                if connection.execute(_QUERIES["renew"], {"epoch": epoch.number}, prepare=True).fetchone() is None:
                    return
                epoch.confirm(asked_at)
                renewed_at = asked_at
