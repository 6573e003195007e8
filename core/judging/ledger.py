"""Writing down what the judge has found, and how far it has come: one transaction, many rows a statement.

No two judges, and no judge and an installation, write at once; whoever was overtaken finds out before anything is kept.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg import IsolationLevel, errors

from core.errors import RtpError
from core.judging.columns import KEY, by_column
from core.judging.findings import EventRow, QuarantineNote, SetAsideLine
from core.judging.markets import Markets
from core.services.postgres import queries
from core.services.prepared import PreparedStatements
from rtp_client.event import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from core.judging.entity import EntityMemory
    from core.judging.findings import Findings
    from core.judging.sample import SampleRow
    from core.judging.sample_log import SampleLog

_QUERIES = queries("core.sql", "judging.sql")
_ENTER = _QUERIES["keep_installation"]
_ENTER_TO_LAST = b";\n".join((_ENTER, _QUERIES["must_last"]))
_NEWEST = (*KEY, "value", "at", "changed_at", "confidence", "provenance", "lag")

_STATE = (
    *KEY, "value", "reported_at", "sampled_at", "last_value", "suspect_value", "suspect_since", "suspect_count",
    "off_peg_since", "is_held", "last_changed_at", "last_confidence", "last_provenance", "suspect_changed_at",
    "suspect_confidence", "suspect_provenance", "lag", "rules", "due_at", "gone_at", "gone_xid",
    "memory",
)  # fmt: skip


class Overtaken(RtpError):
    """What is in memory does not hold any more, or cannot be told to: it is to be dropped and read again."""


class Ledger:
    """Writes within transactions that hold for one revision of the installation."""

    def __init__(self, log: SampleLog, revision: int) -> None:
        self._log = log
        # What a transaction asks under a lock must be seen as it is then, whatever the role's own default.
        log.connection.isolation_level = IsolationLevel.READ_COMMITTED
        self._statements = PreparedStatements(log.connection, _QUERIES)
        self._markets = Markets(log.connection, log.installed.watches)
        self._revision = revision

    @contextmanager
    def transaction(self, *, must_last: bool) -> Iterator[None]:
        """Within, nobody installs. It waits for the disk at its end where it `must_last`.

        Raises Overtaken where somebody installs or has, or where somebody holds what is needed.
        """
        try:
            with self._log.connection.transaction():
                self._keep_installation(must_last=must_last)
                yield
        except errors.LockNotAvailable as error:
            raise Overtaken("somebody holds what is to be written") from error

    def _keep_installation(self, *, must_last: bool) -> None:
        try:
            answers = self._log.connection.execute(_ENTER_TO_LAST if must_last else _ENTER)
        except errors.LockNotAvailable as error:
            raise Overtaken("triggers are being installed") from error
        answers.nextset()
        self.check_revision(*answers.fetchone() or (0,))

    def check_revision(self, revision: int) -> None:
        """Raise Overtaken where the installation is of another revision."""
        if revision != self._revision:
            raise Overtaken("triggers have been installed")

    def write(self, findings: Findings) -> None:
        """Write down what was found and how far the log is judged, within the transaction.

        Raises LeadershipLost where another judge has taken over.
        """
        self._markets.judge(findings)
        told = findings.told
        if told:
            self._statements.fetch("append_events", by_column(EventRow._fields, told))
        if any(event.reason == Reason.RENAMED for event in told):
            self._statements.fetch("note_renames", {})
        if findings.notes:
            self._statements.fetch("note_quarantine", by_column(QuarantineNote._fields, findings.notes))
        if findings.set_aside:
            lines = list(findings.set_aside.values())
            self._statements.fetch("note_set_aside", by_column(SetAsideLine._fields, lines))
        for error in findings.errors:
            self._statements.fetch("note_error", error._asdict())
        moved: list[EntityMemory] = []
        newest: list[tuple[object, ...]] = []
        for entity in findings.dirty:
            if entity.is_due_sooner:
                entity.move_to(entity.state)
            row = entity.newest
            if entity.is_moved or row is None:
                moved.append(entity)
            else:
                newest.append((*entity.key, *_newest(entity, row)))
        self._keep(moved)
        if newest:
            self._statements.fetch("keep_newest", by_column(_NEWEST, newest))
        self._log.save()

    def _keep(self, moved: Sequence[EntityMemory]) -> None:
        gone = [entity.key for entity in moved if entity.state is None]
        if gone:
            self._statements.fetch("forget", by_column(KEY, gone))
        rows = list(_state_rows(moved))
        if rows:
            self._statements.fetch("keep_states", by_column(_STATE, rows))


def _newest(entity: EntityMemory, row: SampleRow) -> tuple[object, ...]:
    lag = _written(row.lag) if entity.watch.watch.is_history else None
    return row.value, row.sampled_at, row.changed_at, row.confidence, row.provenance, lag


def _written(lag: timedelta) -> str | None:
    # Python's comma behind the days is none of an interval's.
    return str(lag).replace(",", "") if lag else None


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
                *state.testimony,
                *state.suspect_testimony,
                _written(state.lag),
                entity.rules,
                entity.due_at,
                state.gone_at,
                entity.gone_xid,
                entity.memory_text,
            )
