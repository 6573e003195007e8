"""How far samples are judged, and the rows of rtp.judge_cursor that keep it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from core.errors import LeadershipLost, LogMismatch, NotInstalled
from core.judging.columns import by_column
from core.log.cursor import Cursor, check_cursor, known_sinks
from core.log.installation import find_mismatch
from core.log.logs import FRONT, SAMPLES
from core.services.postgres import queries
from core.services.prepared import PreparedStatements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from psycopg import Connection

    from core.judging.sample import SampleRow
    from core.services.prepared import Call

_QUERIES = queries("core.sql", "samples.sql")
_COLUMNS = (
    *("watches", "snapshots", "untils", "after_ids", "floor_ids"),
    *("piece_ends", "chains", "entities", "times", "samples"),
)


class JudgedSample(NamedTuple):
    """The last sample judged of a piece; `at` is its time where the piece is in the order of a history."""

    chain: str
    entity: str
    at: datetime | None
    id: int

    def is_at_or_behind(self, row: SampleRow) -> bool:
        """Whether a sample of the piece is judged, too."""
        at = () if self.at is None else (row.sampled_at,)
        return (row.chain, row.entity, *at, row.id) <= tuple(part for part in self if part is not None)


@dataclass(frozen=True)
class JudgeCursor:
    """All up to `cursor` is judged, and of the piece that ends at `piece_end`, all up to the sample `judged`."""

    cursor: Cursor = field(default_factory=Cursor)
    piece_end: int | None = None
    judged: JudgedSample | None = None


Cursors = dict[int, JudgeCursor]
"""How far each watch is judged; those without an entry are where FRONT is."""


def take_cursors(connection: Connection, epoch: int) -> Cursors:
    """Take up the cursors where they were saved. From then on nobody can save them in an earlier epoch.

    Raises LeadershipLost where a later epoch has taken them, LogMismatch where they cannot be this log's.
    """
    connection.execute(_QUERIES["create_front"])
    if connection.execute(_QUERIES["take_front"], {"epoch": epoch}).fetchone() is None:
        check_judges_epoch(connection, epoch)
        raise NotInstalled("the judge's cursor vanished", "Run `rtp install-triggers`")
    if mismatch := find_mismatch(connection, SAMPLES, str(FRONT)):
        for sink in known_sinks(connection):  # most likely it is theirs as well, and they are to be told where to go on
            check_cursor(connection, sink)
        raise LogMismatch(
            f"the judge's cursor does not fit the log of samples: {mismatch}",
            "Run `rtp reset-cursor` for any sink: it mends this, too",
        )
    rows = connection.execute(_QUERIES["read_cursors"]).fetchall()
    return {watch: JudgeCursor(Cursor(*values[:4]), values[4], _judged(*values[5:])) for watch, *values in rows}


def saving_statements(connection: Connection) -> PreparedStatements:
    """What saves the cursors: it runs with each transaction of the judge."""
    return PreparedStatements(connection, _QUERIES)


def saving(statements: PreparedStatements, epoch: int, cursors: Cursors, saved: Mapping[int, JudgeCursor]) -> Call:
    """What writes down how far samples are judged, all or nothing. It fails where another epoch has the cursors."""
    front = vars(cursors[FRONT].cursor) | {"epoch": epoch}
    moved = {watch: at for watch, at in cursors.items() if watch != FRONT and saved.get(watch) != at}
    caught_up = ",".join(str(watch) for watch in saved.keys() - cursors.keys())
    if moved or caught_up:
        return statements.call("save_all", front | _columns(moved) | {"caught_up": f"{{{caught_up}}}"})
    return statements.call("save_front", front)


def check_judges_epoch(connection: Connection, epoch: int) -> None:
    """Raise LeadershipLost where the cursors were taken in another epoch."""
    row = connection.execute(_QUERIES["front_epoch"]).fetchone()
    if row is not None and row[0] != epoch:
        raise LeadershipLost(f"the judge's cursor was taken in epoch {row[0]}", surpassed_by=row[0])


def _columns(cursors: Cursors) -> dict[str, str]:
    rows = [
        (watch, *vars(at.cursor).values(), at.piece_end, *(at.judged or (None, None, None, None)))
        for watch, at in cursors.items()
    ]
    return by_column(_COLUMNS, rows)


def _judged(chain: str | None, entity: str | None, at: datetime | None, sample: int | None) -> JudgedSample | None:
    if chain is None or entity is None or sample is None:
        return None
    return JudgedSample(chain, entity, at, sample)
