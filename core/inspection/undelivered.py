"""What would be lost with rtp's schema: events that a sink has not got, samples that are not judged, dead letters."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from core.errors import InstallError, NotInstalled
from core.inspection.inspector import sink_positions
from core.inspection.standstill import standstill
from core.judging.waiting import read_waiting
from core.log.installation import read_installation
from core.problem import counted
from core.services.postgres import own_transaction, queries
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg import Connection

_QUERIES = queries("core.sql", "undelivered.sql")


@dataclass(frozen=True)
class Undelivered:
    """`events` and `dead_letters` are by sink; `unread_events` are of a log that no sink has ever read."""

    events: Mapping[str, int]
    unread_events: int
    samples: int
    dead_letters: Mapping[str, int]

    def lines(self) -> list[str]:
        """What there is, a sentence's part each; none where all is delivered."""
        found = [f"{counted(count, 'event')} that sink {sink} has not got" for sink, count in self.events.items()]
        if self.unread_events:
            found.append(f"{counted(self.unread_events, 'event')} that no sink has read")
        if self.samples:
            found.append(f"{counted(self.samples, 'sample')} that rtp run has not judged")
        found += [f"{counted(count, 'dead letter')} of sink {sink}" for sink, count in self.dead_letters.items()]
        return found


def read_undelivered(connection: Connection) -> Undelivered:
    """All of it. Raises NotInstalled where rtp's tables are not those of this version."""
    read_installation(connection)
    try:
        with own_transaction(connection):
            lags = {position.sink: position.lag_events for position in sink_positions(connection)}
            unread = connection.execute(_QUERIES["unread_events"]).fetchone()
            return Undelivered(
                events={sink: count for sink, count in lags.items() if count},
                unread_events=unread[0] if unread else 0,
                samples=sum(waiting.samples for waiting in read_waiting(connection).values()),
                dead_letters=dict(connection.execute(_QUERIES["dead_letters"]).fetchall()),
            )
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise NotInstalled(f"rtp's schema is not complete: {one_line(error)}") from error


@contextmanager
def nothing_to_lose(connection: Connection) -> Iterator[None]:
    """Within, no rtp run leads on this database, and it holds nothing that is not delivered.

    Raises RunningError where one is active, InstallError where there is something, or where that cannot be told.
    """
    try:
        with standstill(connection):
            if found := read_undelivered(connection).lines():
                raise InstallError(
                    f"not all is delivered: {', '.join(found)}; nothing was removed",
                    "`rtp run --until-idle` delivers, `rtp reset-cursor --sink S --forget` ends a sink that the"
                    " settings name no more, `rtp dlq` retries or drops dead letters. --yes gives all up",
                )
            yield
    except NotInstalled as error:
        raise InstallError(
            f"what is not delivered cannot be told: {error.message}; nothing was removed",
            "--yes removes it all the same",
        ) from error
