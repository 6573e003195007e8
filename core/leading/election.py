"""One rtp run leads, the others stand by and take over.

- The lease: the row of rtp.leader names the leader's session. Only who may write to rtp's schema can be in it. One
  statement takes it, on the condition that the row is still what was seen: of two standbys, one gets it.
- Liveness: the row names the session by its process id and start. A session that has ended, by kill -9 or a cut
  connection, is gone from the server's list at that moment. A standby looks some times a second.
- A leader that neither works nor ends (a stopped process, a machine that is gone) keeps its session. So the leader also
  renews the row, and a standby that has not seen it change for a lease takes the lead, and ends that session. The
  standby measures by its own monotonic clock, between its own looks: a clock that steps, or a look that came late,
  deposes nobody.
- Fencing: a takeover does not stop the former leader at that instant. Every epoch has a number (`core.leading.epoch`),
  and cursors and Redis refuse lower ones; before each message to SQS its sender looks whether the epoch is good.
- Upgrades: each look and each renewal reads the schema's version, too. Where a newer rtp has migrated the schema, the
  leader and its standbys end. (Its installation also ends their sessions: triggers/sql/end_running.sql.)
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from core.errors import RtpError, ServiceUnavailable, UnfitServer
from core.leading.epoch import Epoch, clock
from core.leading.leader_row import Silence, find_who_may_not_lead, look, take_the_lead
from core.log.installation import check_version, read_installation
from core.problem import Problem
from core.services.locks import holders_of_table
from core.services.postgres import queries
from core.services.sessions import check_server
from core.trouble import now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from psycopg import Connection

    from core.leading.epoch import Epochs
    from core.leading.leader_row import LeaderRow
    from core.services.postgres import DatabaseServer
    from core.services.recovery import Recovery

_QUERIES = queries("core.sql", "leader.sql")
_TRY_SECONDS = 0.2
_LOOK_SECONDS = 0.2
_BEATS_PER_LEASE = 10
# Who has the row for longer is named. Nobody who is meant to write to it takes a millisecond.
_LOCK_MILLISECONDS = 1000


@dataclass(frozen=True)
class LeaderStatus:
    """What this process is, `starting`, `leader` or `standby`, and since when; and who leads, in which epoch.

    `trouble` is why nobody leads that this one knows of, or empty.
    """

    role: str
    epoch: int
    leader: str
    since: datetime = field(default_factory=now)
    trouble: str = ""


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
        self.is_server_fit = False
        """Whether sessions of rtp's have been found to be its own, and may write: others may open theirs."""
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
                    self._become("starting", self._status.epoch, "", trouble=str(error))
                    # Also after a first loss: this process's own loops, whose epoch is over, close their sessions
                    # meanwhile, before `end_predecessors` could find them.
                    self._stopping.wait(_TRY_SECONDS)
                    self._recovery.pause(self._stopping)
        except RtpError as error:
            self.failure = error

    def _campaign(self) -> None:
        """Wait for the lead, and hold it as long as possible; with one connection, whose end ends both."""
        try:
            check_server(self._server)
        except UnfitServer:
            self.is_server_fit = False
            raise
        self.is_server_fit = True
        with self._server.translated(), self._server.connect("leader") as connection:
            connection.execute(_QUERIES["wait_no_longer"], {"milliseconds": str(_LOCK_MILLISECONDS)})
            read_installation(connection)
            if role := find_who_may_not_lead(connection):
                cause = (
                    f"role {role} may not write to rtp.leader, so it can never lead. Use the role that installed rtp"
                )
                raise UnfitServer("PostgreSQL", self._server.address, cause)
            try:
                self._wait_and_lead(connection)
            except psycopg.errors.LockNotAvailable as error:
                raise self._server.failure(error, holders_of_table(connection, "rtp.leader")) from error

    def _wait_and_lead(self, connection: Connection) -> None:
        silence = Silence()
        while not self._stopping.is_set():
            leader = look(connection)
            silence.note(leader)
            if self._is_free(leader, silence):
                epoch = self._take_the_lead(connection, leader)
                if epoch is not None:
                    self._hold_the_lead(connection, epoch)
                    return
            else:
                self._recovery.succeeded()
                self._stand_by(connection, leader)
            self._stopping.wait(_TRY_SECONDS)

    def _is_free(self, leader: LeaderRow, silence: Silence) -> bool:
        if not leader.has_session:
            return True
        # A session of ours that was given up as dead may still be there: nobody else can have that epoch.
        if leader.epoch == self._left_epoch:
            return True
        return leader.lease_seconds is not None and silence.seconds >= leader.lease_seconds

    def _stand_by(self, connection: Connection, leader: LeaderRow) -> None:
        name = leader.place
        trouble = "" if leader.lease_seconds else f"nobody leads: a command of rtp on {name} keeps the lead"
        known = self._status
        if (known.role, known.epoch, known.leader, known.trouble) == ("standby", leader.epoch, name, trouble):
            return
        # PostgreSQL keeps 63 bytes of it: the pid first.
        own_name = f"rtp standby {os.getpid()}@{socket.gethostname()}"
        connection.execute(_QUERIES["rename_session"], {"name": own_name})
        self._become("standby", leader.epoch, name, trouble=trouble)
        if trouble and known.trouble != trouble:
            self._on_problem(Problem(f"standby: {trouble}", "leader", facts={"role": "standby", "holder": name}))
        elif self._stood_by_since is None:
            text = f"standby: rtp on {name} leads, and this one takes over when it ends"
            self._on_problem(Problem(text, "leader", logging.INFO, {"role": "standby", "leader": name}))
        self._stood_by_since = self._stood_by_since or time.monotonic()

    def _become(self, role: str, epoch: int, leader: str, *, trouble: str = "") -> None:
        before = self._status
        since = before.since if (before.role, bool(before.trouble)) == (role, bool(trouble)) else now()
        self._status = LeaderStatus(role, epoch, leader, since, trouble)

    def _take_the_lead(self, connection: Connection, seen: LeaderRow) -> Epoch | None:
        asked_at = clock()
        number = take_the_lead(connection, seen, lease_seconds=self._lease_seconds, above=self._above)
        if number is None:
            return None
        names = [f"rtp {name}" for name in self._epochs.loops]
        connection.execute(_QUERIES["end_predecessors"], seen._asdict() | {"epoch": number, "names": names})
        connection.execute(_QUERIES["rename_session"], {"name": "rtp leader"})
        connection.execute("SET synchronous_commit TO off")  # of a heartbeat nothing need outlive the server
        self._become("leader", number, f"{socket.gethostname()} (pid {os.getpid()})")
        if self._stood_by_since is not None:
            waited_seconds = time.monotonic() - self._stood_by_since
            text = f"leading now, after {waited_seconds:,.1f} s as standby"
            facts = {"role": "leader", "epoch": number, "waited_seconds": round(waited_seconds, 3)}
            self._on_problem(Problem(text, "leader", logging.INFO, facts))
            self._stood_by_since = None
        epoch = Epoch(number, lease_seconds=self._lease_seconds)
        epoch.confirm(asked_at)
        return epoch

    def _hold_the_lead(self, connection: Connection, epoch: Epoch) -> None:
        self._recovery.succeeded()
        try:
            self._epochs.begin(epoch)
            self._renew(connection, epoch)
        finally:
            epoch.end()
            self._above, self._left_epoch = max(self._above, epoch.surpassed_by), epoch.number
            if not self._stopping.is_set():  # else the last status says who led until the end
                self._become("starting", epoch.number, "")

    def _renew(self, connection: Connection, epoch: Epoch) -> None:
        beat_seconds = self._lease_seconds / _BEATS_PER_LEASE
        renewed_at = clock()
        while not self._stopping.is_set() and not epoch.is_over:
            # Not a sleep: where the connection is cut, this ends at once.
            next(connection.notifies(timeout=min(_LOOK_SECONDS, beat_seconds), stop_after=1), None)
            asked_at = clock()
            if asked_at - renewed_at >= beat_seconds:
                row = connection.execute(_QUERIES["renew"], {"epoch": epoch.number}, prepare=True).fetchone()
                if row is None:
                    return
                check_version(connection, row[0])
                epoch.confirm(asked_at)
                renewed_at = asked_at
