"""Connections to PostgreSQL that give up, with OperationalError, what is not answered within a given patience.

psycopg's own would wait for ever for a server that is gone without a word: TCP's keepalive only asks while nobody
waits.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Generator

    from psycopg.pq.abc import PGconn

    from core.patience import Patience

    Waiting = Generator[Any, Any, Any]


class PatientConnection(psycopg.Connection[Any]):
    """For threads. Without a `patience` it waits as psycopg does."""

    patience: Patience | None = None

    def wait(self, gen: Waiting, *args: Any, **kwargs: Any) -> Any:
        """Psycopg's own, within the patience; all that is ever waited for passes here."""
        within = gen if self.patience is None else _within(gen, self.patience, self.pgconn)
        return super().wait(within, *args, **kwargs)


class AsyncPatientConnection(psycopg.AsyncConnection[Any]):
    """The same for asyncio."""

    patience: Patience | None = None

    async def wait(self, gen: Waiting, *args: Any, **kwargs: Any) -> Any:
        """See PatientConnection."""
        within = gen if self.patience is None else _within(gen, self.patience, self.pgconn)
        return await super().wait(within, *args, **kwargs)


def _within(gen: Waiting, patience: Patience, connection: PGconn) -> Waiting:
    seconds, asked_at = patience.seconds, time.monotonic()
    try:
        state = next(gen)
        while True:
            ready = yield state  # psycopg asks at least every 0.1 s, with 0 where nothing has come
            if not ready and time.monotonic() > asked_at + seconds:
                patience.note_silence()
                connection.finish()
                raise psycopg.OperationalError(f"no answer within {seconds:g} s")
            state = gen.send(ready)
    except StopIteration as end:
        patience.note_answer(time.monotonic() - asked_at)
        return end.value
