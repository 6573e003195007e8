"""Putting a sink's cursor elsewhere by hand, and making the logs of another server usable on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import LogMismatch, UnknownSink
from core.log.cursor import known_sinks
from core.log.installation import find_mismatch, read_installation
from core.log.jumps import jump_ahead
from core.log.logs import EVENTS, FRONT, SAMPLES
from core.services.postgres import own_transaction, queries

if TYPE_CHECKING:
    from collections.abc import Collection

    from psycopg import Connection

_QUERIES = queries("core.sql", "reset.sql")
EARLIEST, LATEST = "earliest", "latest"


@dataclass(frozen=True)
class Reset:
    """What a reset came to. `mismatch` is what was wrong before, None where nothing was."""

    sink: str
    after_sequence: int
    waiting_events: int
    mismatch: str | None


def reset_cursor(connection: Connection, sink: str, to: int | str, *, also_known: Collection[str] = ()) -> Reset:
    """Put the cursor at `earliest`, `latest`, or behind a sequence. rtp must not be running.

    Where the judge's cursors are another server's, they are mended, too, whichever sink it is.
    `also_known` are sinks that may have no cursor yet. Raises NotInstalled, UnknownSink, and LogMismatch for a sequence
    that the log has not reached.
    """
    read_installation(connection)
    with own_transaction(connection):
        known = known_sinks(connection)
        if sink not in known and sink not in also_known:
            raise _unknown(sink, [*known, *also_known])
        last = _number(connection, "last_sequence")
        if isinstance(to, int) and to > last:
            raise LogMismatch(f"sequence {to} is ahead of the log, which has reached {last}", "Name one up to that")
        mismatch = find_mismatch(connection, EVENTS, sink)
        if find_mismatch(connection, SAMPLES, str(FRONT)):
            _mend_samples(connection)
    if mismatch:
        # First, and in transactions of their own: the cursor is placed by a snapshot that must see them.
        with own_transaction(connection):
            _number(connection, "mend_log")
        with own_transaction(connection):
            last = jump_ahead(connection)
    after = to if isinstance(to, int) else {EARLIEST: 0, LATEST: last}[to]
    with own_transaction(connection):
        connection.execute(_QUERIES["place"], {"sink": sink, "after_id": after})
    with own_transaction(connection):
        waiting = connection.execute(_QUERIES["count_waiting"], {"after_id": after}).fetchone()
    return Reset(sink, after, waiting[0] if waiting else 0, mismatch)


def forget_cursor(connection: Connection, sink: str) -> None:
    """Remove the cursor of a sink that is no longer used: the log is not kept for it. Raises as `reset_cursor`."""
    read_installation(connection)
    if not connection.execute(_QUERIES["forget"], {"sink": sink}).rowcount:
        raise _unknown(sink, known_sinks(connection))


def _mend_samples(connection: Connection) -> None:
    """Leave what was not judged to be judged here. There is nothing to choose: each sample is judged once."""
    is_judged_within = queries("core.sql", "samples.sql")["is_judged_within"]
    with connection.transaction():
        connection.execute(_QUERIES["forget_judged_samples"].replace(b"{is_judged_within}", is_judged_within))
        for query in ("take_over_samples", "take_over_looks", "raise_sample_id", "renew_judge_cursors"):
            connection.execute(_QUERIES[query])


def _unknown(sink: str, known: Collection[str]) -> UnknownSink:
    return UnknownSink(sink, known, otherwise="None has a cursor yet")


def _number(connection: Connection, query: str) -> int:
    row = connection.execute(_QUERIES[query]).fetchone()
    assert row is not None
    return int(row[0])
