"""Appending to the sample log, as the triggers do it, and reading it, as the judge does it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg import errors

from core.services.prepared import execute_all
from tests.samples import NOON

if TYPE_CHECKING:
    import psycopg

    from core.judging.portion import Portion
    from core.judging.sample_log import SampleLog

LATEST, HISTORY, OTHER = 1, 2, 3
"""Watches of the installed database, once `make_history` has made the second one a history."""


def make_history(connection: psycopg.Connection) -> None:
    """Have the samples of HISTORY judged by their own time."""
    shape = "UPDATE rtp.watch SET settings = settings || jsonb_build_object('shape', 'history') WHERE id = %s"
    connection.execute(shape, [HISTORY])


def append(
    connection: psycopg.Connection, watch: int = LATEST, count: int = 1, *, entity: str = "lido", minute: int = 0
) -> list[int]:
    """Append samples of one entity, and return their ids."""
    rows = connection.execute(
        "INSERT INTO rtp.sample (watch, chain, entity, value, sampled_at, changed_at, confidence)"
        " SELECT %s, 'ethereum', %s, n, %s, now(), 1 FROM generate_series(1, %s) AS n RETURNING id",
        [watch, entity, NOON + timedelta(minutes=minute), count],
    )
    return [row[0] for row in rows]


def judge_some(log: SampleLog) -> Portion | None:
    """One read, and what it brought is passed."""
    portion = log.read()
    if portion is not None:
        log.passed(portion)
    return portion


def judge_all(log: SampleLog) -> list[Portion]:
    """All portions until the log is level."""
    portions = []
    while True:
        portion = judge_some(log)
        if portion is not None:
            portions.append(portion)
        elif log.is_level:
            return portions


def save(log: SampleLog) -> None:
    """Write down how far all is judged, as the judge does it."""
    try:
        with log.connection.transaction():
            execute_all(log.connection, [log.saving()])
    except errors.DivisionByZero:
        log.check_epoch()
        raise


def ids(*portions: Portion | None) -> list[int]:
    """The ids of all samples, in the order in which they are judged."""
    return [row.id for portion in portions if portion is not None for row in portion.rows]
