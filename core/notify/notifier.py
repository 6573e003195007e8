"""All of `rtp notify` in one process: what takes alerts, what tells them, and what this process's part of it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import redis

    from core.notify.intakes.intake import Intake
    from core.notify.outbox.lease import Leases
    from core.notify.outbox.outbox import Outbox
    from core.notify.outbox.standing import Standing
    from core.notify.tellers.arrivals import ArrivalReader
    from core.notify.tellers.teller import Teller
    from core.services.recovery import Recovery
    from core.trouble import Trouble, Troubles

_STOP_SECONDS = 15.0
"""A service that takes longer than that to answer has to be told again."""
_MOST_AHEAD_SECONDS = 60.0
"""What may go no sooner than this is not waited for: it stays in the outbox."""


class AlertSource(Protocol):
    """Where alerts are taken from."""

    @property
    def is_alive(self) -> bool:
        """Whether it takes, or tries to."""

    def start(self) -> None: ...

    def stop(self, within_seconds: float) -> None: ...

    def idle_seconds(self, now: float) -> float:
        """How long there has been nothing to take, on the monotonic clock."""


@dataclass(frozen=True)
class NotifierState:
    """One moment: how each destination stands, and which of them are this process's."""

    standings: Mapping[str, Standing]
    held: frozenset[str]
    taken: int
    passed_over: int

    @property
    def waiting(self) -> int:
        """How many alerts wait, at all destinations."""
        return sum(standing.waiting for standing in self.standings.values())


class Notifier:
    """Runs from `start` to `stop`."""

    def __init__(
        self,
        *,
        tellers: Mapping[str, Teller],
        leases: Sequence[Leases],
        sources: Sequence[AlertSource],
        arrivals: ArrivalReader,
        intake: Intake,
        outbox: Outbox,
        clients: Sequence[redis.Redis],
        troubles: Troubles,
        recoveries: Sequence[Recovery],
        count_others: Callable[[], int],
        place: str,
    ) -> None:
        self.tellers = tellers
        self.outbox = outbox
        self.troubles = troubles
        self.place = place
        """Where alerts are taken from, in words."""
        self._leases, self._sources, self._arrivals, self._intake = leases, sources, arrivals, intake
        self._clients = clients
        self._recoveries = recoveries
        self.count_otherwise_set = count_others
        """How many processes of this Redis have other settings of who is told. Raises SinkUnavailable."""

    def start(self) -> None:
        for leases in self._leases:
            leases.start()
        for teller in self.tellers.values():
            teller.start()
        self._arrivals.start()
        for source in self._sources:
            source.start()

    def stop(self, within_seconds: float = _STOP_SECONDS) -> bool:
        """Take nothing more, finish what is under way, and let go of the destinations; false where some went on."""
        deadline = time.monotonic() + within_seconds
        for source in self._sources:
            source.stop(deadline - time.monotonic())
        self._arrivals.stop()
        have_ended = [teller.finish(deadline - time.monotonic()) for teller in self.tellers.values()]
        for leases in self._leases:
            leases.stop()
        for client in self._clients:
            client.close()
        return all(have_ended)

    @property
    def rounds(self) -> int:
        """How often all processes were asked who tells which destination."""
        return self._leases[0].rounds

    def threads(self) -> dict[str, bool]:
        """Every loop, and whether it is alive."""
        return {
            "leases": all(leases.is_alive for leases in self._leases),
            "arrivals": self._arrivals.is_alive,
            "intake": all(source.is_alive for source in self._sources),
            **{f"teller {name}": teller.is_alive for name, teller in self.tellers.items()},
        }

    def state(self) -> NotifierState:
        """How all stands now. Raises SinkUnavailable."""
        standings = self.outbox.standings(list(self.tellers))
        held = frozenset(name for name, teller in self.tellers.items() if teller.is_at_work)
        return NotifierState(standings, held, self._intake.taken, self._intake.passed_over)

    @property
    def taken(self) -> int:
        """How many alerts this process has taken."""
        return self._intake.taken

    def hindrances(self) -> list[str]:
        """What keeps alerts from being told now, a line each."""
        found = [f"{trouble.part}: {trouble.cause}" for trouble in self.troubles.current()]
        return found + [f"{name}: {reason}" for name, one in self.tellers.items() if (reason := one.failing_for)]

    def never_reached(self) -> list[Trouble]:
        """What has kept parts from their work since the start; where it is the same for several, once."""
        idle = {one.part for one in self._recoveries if not one.has_worked}
        return list({one.cause: one for one in self.troubles.current() if one.part in idle}.values())

    def former_destinations(self) -> dict[str, int]:
        """For which destinations that are no more alerts wait, and how many. Raises SinkUnavailable."""
        former = self.outbox.know(list(self.tellers))
        return {name: one.waiting for name, one in self.outbox.standings(former).items()}

    def is_idle(self, seconds: float) -> bool:
        """Whether nothing has come for so long, and nothing is left that can be told within a minute.

        Raises SinkUnavailable.
        """
        now = time.monotonic()
        if any(source.idle_seconds(now) < seconds for source in self._sources) or self.troubles.current():
            return False
        return not self.is_telling(_MOST_AHEAD_SECONDS) and not self.unread()

    def is_telling(self, ahead_seconds: float) -> bool:
        """Whether a message is under way, or one of alerts that were read can go within so long."""
        tellers, now = self.tellers.values(), time.time()
        due = [seconds for teller in tellers if (seconds := teller.due_in(now)) is not None]
        return any(teller.messages for teller in tellers) or any(seconds <= ahead_seconds for seconds in due)

    def unread(self) -> list[str]:
        """The destinations for which alerts wait, none of which this process has read. Raises SinkUnavailable."""
        now = time.time()
        without = [name for name, teller in self.tellers.items() if teller.due_in(now) is None]
        return [name for name, standing in self.outbox.standings(without).items() if standing.waiting]
