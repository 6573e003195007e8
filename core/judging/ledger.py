"""Writing down what the judge has found, and how far it has come: one transaction, many rows a statement.

No two judges, and no judge and an installation, write at once; whoever was overtaken finds out before anything is kept.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg import errors

from core.errors import RtpError
from core.judging.columns import KEY, by_column
from core.judging.findings import EventRow, QuarantineNote, SetAsideLine
from core.judging.markets import Markets
from core.services.postgres import queries
from core.services.prepared import PreparedStatements, execute_all
from rtp_client.event import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from core.judging.entity import EntityMemory
    from core.judging.findings import Findings
    from core.judging.sample import SampleRow
    from core.judging.sample_log import SampleLog
    from core.services.prepared import Call, Values

_QUERIES = queries("core.sql", "judging.sql")
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
        self._statements = PreparedStatements(log.connection, _QUERIES)
        self._markets = Markets(log.connection, log.installed.watches)
        self._revision = revision

    @contextmanager
    def transaction(self, *, must_last: bool) -> Iterator[None]:
        """Within, nobody installs. It waits for the disk at its end where it `must_last`.

        Raises Overtaken where somebody installs or has, or where somebody holds what is needed, and LeadershipLost
        where what is written within is not this judge's any more.
        """
        connection, call = self._log.connection, self._statements.call
        check: Values = {"revision": self._revision, "synchronous_commit": "on" if must_last else "off"}
        try:
            execute_all(connection, [call("begin", {}), call("keep_installation", {}), call("check_revision", check)])
            yield
            # Only now that all is answered. A server that has it already commits, too, where this judge has given it up
            # and judges the same samples again.
            self._statements.fetch("commit", {})
        except BaseException as error:
            if not connection.closed:
                connection.rollback()
                self._raise_refusal(error)
            raise

    def _raise_refusal(self, error: BaseException) -> None:
        """Say what a transaction was refused for, where rtp's own statements have seen to that."""
        if isinstance(error, errors.LockNotAvailable):
            raise Overtaken("somebody installs triggers, or holds what is to be written") from error
        if isinstance(error, errors.DivisionByZero):
            rows = self._statements.fetch("revision", {})
            self.check_revision(rows[0][0] if rows else 0)
            self._log.check_epoch()

    def check_revision(self, revision: int) -> None:
        """Raise Overtaken where the installation is of another revision."""
        if revision != self._revision:
            raise Overtaken("triggers have been installed")

    def write(self, findings: Findings) -> None:
        """Write down what was found and how far the log is judged, within the transaction."""
        self._markets.judge(findings)
        execute_all(self._log.connection, self._writing(findings))

    def _writing(self, findings: Findings) -> list[Call]:
        call = self._statements.call
        calls = []
        told = findings.told
        if told:
            calls.append(call("append_events", by_column(EventRow._fields, told)))
        if any(event.reason == Reason.RENAMED for event in told):
            calls.append(call("note_renames", {}))
        if findings.notes:
            calls.append(call("note_quarantine", by_column(QuarantineNote._fields, findings.notes)))
        if findings.set_aside:
            lines = list(findings.set_aside.values())
            calls.append(call("note_set_aside", by_column(SetAsideLine._fields, lines)))
        calls += (call("note_error", error._asdict()) for error in findings.errors)
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
        calls += self._keeping(moved)
        if newest:
            calls.append(call("keep_newest", by_column(_NEWEST, newest)))
        return [*calls, self._log.saving()]

    def _keeping(self, moved: Sequence[EntityMemory]) -> Iterator[Call]:
        gone = [entity.key for entity in moved if entity.state is None]
        if gone:
            yield self._statements.call("forget", by_column(KEY, gone))
        rows = list(_state_rows(moved))
        if rows:
            yield self._statements.call("keep_states", by_column(_STATE, rows))


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
