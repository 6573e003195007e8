"""The letters in rtp's own table."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
from msgspec import structs
from psycopg.rows import dict_row

from core.errors import EventRejected, RunningError
from core.letters.letter import Letter, LetterOrigin
from core.log.installation import read_installation
from core.log.rows import LogRow, event_called, event_id
from core.services.locks import holders_of_table
from core.services.postgres import own_transaction, queries
from rtp_client.event import decode_event
from rtp_client.keys import partition_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from psycopg import Connection

    from rtp_client.event import Event

_QUERIES = queries("core.sql", "dead_letters.sql")


def read_letters(connection: Connection, *, settled: bool = False) -> list[Letter]:
    """The letters that are still dead, oldest event first; with `settled` the others, too. Raises NotInstalled."""
    read_installation(connection)
    with own_transaction(connection), connection.cursor(row_factory=dict_row) as cursor:
        return [_letter(row) for row in cursor.execute(_QUERIES["letters"], {"settled": settled}).fetchall()]


def _letter(row: dict[str, Any]) -> Letter:
    row |= {"id": str(row["id"]), "sequence": row.pop("event_id"), "event_id": row.pop("cloud_id")}
    return Letter(origin=LetterOrigin.DATABASE, group=partition_key(row["chain"] or "", row["entity"] or ""), **row)


def sinks_with_unqueued(connection: Connection, sinks: Collection[str]) -> list[str]:
    """Which of these sinks have letters without a copy in their dead letter queue."""
    return [row[0] for row in connection.execute(_QUERIES["sinks_with_unqueued"], {"sinks": list(sinks)}).fetchall()]


def read_unqueued(
    connection: Connection, sinks: Collection[str], after: Letter | None
) -> list[tuple[Letter, dict[str, Any]]]:
    """The next letters of these sinks without a copy, behind the one that was read last; with their events."""
    place = {"sinks": list(sinks), "after_id": 0 if after is None else int(after.id)}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_QUERIES["unqueued"], place).fetchall()
    events = [row.pop("event") for row in rows]
    return [(_letter(row), event) for row, event in zip(rows, events, strict=True)]


def mark_queued(connection: Connection, letter: Letter) -> None:
    """Its copy is there."""
    connection.execute(_QUERIES["mark_queued"], {"id": int(letter.id)})


def read_event(connection: Connection, letter: Letter) -> dict[str, Any]:
    """The letter's event as it is kept; a row that was no valid event as the log had it."""
    row = connection.execute(_QUERIES["letter_event"], {"id": int(letter.id)}).fetchone()
    return dict(row[0]) if row else {}


def revive(document: dict[str, Any], *, source: str, log_id: str) -> Event:
    """The event to deliver. Raises EventRejected where it is still none."""
    if "specversion" not in document:
        row = _row(document)
        return event_called(event_id(row, log_id), row, source=source)
    try:
        event = decode_event(json.dumps(document))
    except ValueError as error:
        raise EventRejected(f"event {document.get('id')} is not valid: {error}") from error
    # Where the log has another name by now, so has all that it holds: of a former log it would overwrite what is newer.
    return structs.replace(event, id=f"{log_id}{event.id.removeprefix(event.log)}") if event.log else event


def _row(document: dict[str, Any]) -> LogRow:
    duration = document["duration_seconds"]
    typed = {
        "id": int(document["id"]),
        "confidence": float(document["confidence"]),
        "changed_at": datetime.fromisoformat(document["changed_at"]),
        "detected_at": datetime.fromisoformat(document["detected_at"]),
        "duration_seconds": None if duration is None else float(duration),
    }
    return LogRow(**(document | typed))


def settle(connection: Connection, letters: Collection[Letter], status: str) -> int:
    """Nothing is left to do about these: `redriven` or `dropped`; how many were still dead."""
    ids = [int(letter.id) for letter in letters]
    return connection.execute(_QUERIES["settle"], {"ids": ids, "status": status}).rowcount


def note_refusal(connection: Connection, letter: Letter, error: str) -> None:
    """It was refused once more."""
    connection.execute(_QUERIES["note_refusal"], {"id": int(letter.id), "error": error})


def open_ids(connection: Connection) -> set[str]:
    """The letters that are still dead."""
    return {str(row[0]) for row in connection.execute(_QUERIES["open_ids"]).fetchall()}


@contextmanager
def only_one(connection: Connection) -> Iterator[None]:
    """Within, nobody else redrives or drops: for as long as a transaction of this connection, which does nothing else.

    Raises RunningError where somebody else is at it, and NotInstalled.
    """
    read_installation(connection)
    with own_transaction(connection):
        try:
            with connection.transaction():
                connection.execute(_QUERIES["lock"])
        except psycopg.errors.LockNotAvailable as error:
            holders = holders_of_table(connection, "rtp.dead_letter")
            raise RunningError(
                f"another rtp dlq retry or drop is at work on this database{f': {holders}' if holders else ''}",
                "Wait for it to end",
            ) from error
        yield
