"""Writing down what the judge has found, and how far it has come: one transaction, many rows a statement.

No two judges, and no judge and an installation, write at once; whoever was overtaken finds out before anything is kept.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg import errors

from core.errors import RtpError
from core.judging.judgement import EventRow, QuarantineNote
from core.judging.states import KEY, by_column
from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.judging.entity import EntityMemory
    from core.judging.judgement import Findings
    from core.judging.sample_log import SampleLog

_QUERIES = queries("core.sql", "judging.sql")
_NEWEST = (*KEY, "value", "at")

_STATE = (
    *KEY, "value", "reported_at", "sampled_at", "last_value", "suspect_value", "suspect_since", "suspect_count",
    "off_peg_since", "is_held", "rules", "due_at",
)  # fmt: skip


class Overtaken(RtpError):
    """What is in memory does not hold any more, or cannot be told to: it is to be dropped and read again."""


class Ledger:
    """Writes within transactions that hold for one revision of the installation."""

    def __init__(self, log: SampleLog, revision: int) -> None:
        self._log = log
        self._revision = revision

    @contextmanager
    def transaction(self, *, must_last: bool) -> Iterator[None]:
        """Within, nobody installs. It waits for the disk at its end where it `must_last`.

        Raises Overtaken where somebody installs or has, or where a trigger holds what is needed.
        """
        try:
            with self._log.connection.transaction():
                self._keep_installation(must_last=must_last)
                yield
        except errors.LockNotAvailable as error:
            raise Overtaken("a trigger is judging what was left to this judge") from error

    def _keep_installation(self, *, must_last: bool) -> None:
        connection = self._log.connection
        if connection.execute(_QUERIES["keep_installation"], prepare=True).fetchone() != (True,):
            raise Overtaken("triggers are being installed")
        values = {"durability": "on" if must_last else "off"}
        found = connection.execute(_QUERIES["check_installation"], values, prepare=True).fetchone()
        if found is None or found[0] != self._revision:
            raise Overtaken("triggers have been installed")

    def write(self, findings: Findings) -> None:
        """Write down what was found and how far the log is judged, within the transaction.

        Raises LeadershipLost where another judge has taken over, Overtaken where a trigger has judged a newer value.
        """
        connection = self._log.connection
        if findings.events:
            connection.execute(_QUERIES["append_events"], by_column(EventRow._fields, findings.events), prepare=True)
        if findings.notes:
            connection.execute(_QUERIES["note_quarantine"], by_column(QuarantineNote._fields, findings.notes))
        for error in findings.errors:
            connection.execute(_QUERIES["note_error"], error._asdict())
        self._keep([entity for entity in findings.dirty if entity.is_moved])
        newest = [(*one.key, one.last_value, one.sample_at) for one in findings.dirty if not one.is_moved]
        if newest:
            connection.execute(_QUERIES["keep_newest"], by_column(_NEWEST, newest), prepare=True)
        self._log.save()

    def _keep(self, moved: Sequence[EntityMemory]) -> None:
        connection = self._log.connection
        gone = [entity.key for entity in moved if entity.state is None]
        if gone:
            connection.execute(_QUERIES["forget"], by_column(KEY, gone), prepare=True)
        rows = list(_state_rows(moved))
        if rows:
            kept = connection.execute(_QUERIES["keep_states"], by_column(_STATE, rows), prepare=True).rowcount
            if kept != len(rows):
                raise Overtaken("a trigger has judged a newer value")


def _state_rows(moved: Sequence[EntityMemory]) -> Iterator[tuple[object, ...]]:
    for entity in moved:
        state = entity.state
        if state is not None:
            yield (
                *entity.key,
                state.value,
                state.reported_at,
                state.sample_at,
                state.last_value,
                state.suspect_value,
                state.suspect_since,
                state.suspect_count,
                state.off_peg_since,
                state.held,
                entity.rules,
                entity.due_at,
            )
