"""Histories of concurrent transactions on one table: steps, in one thread, none of which has to wait for another's."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

import psycopg
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

WRITERS = 3
KEYS = ("aave", "lido", "maker")
VALUES = (100, 101, 102, 150)
LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
_OPERATIONS = ("insert", "update", "upsert", "delete", "rename", "reload")
_ENDS = ("commit", "commit", "rollback")


Contents = dict[str, int]


class Step(NamedTuple):
    """What a writer does next; a transaction begins with its first statement. Nobody's step is the judge's."""

    writer: int | None
    what: str
    level: str = LEVELS[0]
    key: str = KEYS[0]
    value: int = 0


_STATEMENTS = st.builds(
    Step,
    st.integers(0, WRITERS - 1),
    st.sampled_from((*_OPERATIONS, *_ENDS, "commit", "commit")),
    st.sampled_from(LEVELS),
    st.sampled_from(KEYS),
    st.sampled_from(VALUES),
)
STEPS = st.lists(
    st.one_of(*[_STATEMENTS] * 4, st.sampled_from([Step(None, "judge"), Step(None, "restart")])),
    min_size=5,
    max_size=40,
)


class Judge(Protocol):
    """What takes the steps of nobody."""

    def judge(self) -> None: ...

    def restart(self) -> None: ...


class History:
    """Takes steps on a table, a statement each, and notes what came of every one.

    A step that would have to wait for another transaction is left out. `held` is what the table has held for somebody,
    after each statement of a transaction that has committed; the last one is what it holds in the end.
    """

    def __init__(self, connections: Sequence[psycopg.Connection], table: str) -> None:
        self.outcomes: list[str] = []
        self.held: list[Contents] = [{}]
        self._connections = connections
        self._table = table
        self._written: dict[int, set[str]] = {}
        self._seen: dict[int, list[Contents]] = {}

    def run(self, steps: Sequence[Step], judge: Judge) -> None:
        for step in steps:
            if step.writer is None:
                getattr(judge, step.what)()
            else:
                self._take(step, step.writer)
        for writer in list(self._written):
            self._end(writer, "commit")

    def _take(self, step: Step, writer: int) -> None:
        if step.what in _ENDS:
            if writer in self._written:
                self._end(writer, step.what)
            return
        keys = set(KEYS) if step.what in ("rename", "reload") else {step.key}
        others = [written for other, written in self._written.items() if other != writer]
        if any(keys & written for written in others) or (step.what == "reload" and others):
            return
        if writer not in self._written:
            self._connections[writer].execute(f"BEGIN ISOLATION LEVEL {step.level}".encode())
            # The snapshot of the levels that keep one is older than what others commit from now on.
            self._connections[writer].execute("SELECT")
            self._written[writer] = set()
            self._seen[writer] = []
        self._written[writer] |= keys
        try:
            for statement in self._statements(step):
                self._connections[writer].execute(statement.encode())
                self._seen[writer].append(self._contents(writer))
        except (psycopg.errors.SerializationFailure, psycopg.errors.UniqueViolation) as error:
            self._note(f"{step.what}: {type(error).__name__}")
            self._end(writer, "rollback")
        else:
            self._note(step.what)

    def _statements(self, step: Step) -> Sequence[str]:
        table, row = self._table, f"('ethereum', '{step.key}', {step.value})"
        if step.what == "insert":
            return [f"INSERT INTO {table} VALUES {row}"]
        if step.what == "update":
            return [f"UPDATE {table} SET value = {step.value} WHERE protocol = '{step.key}'"]
        if step.what == "upsert":
            return [
                f"INSERT INTO {table} VALUES {row} ON CONFLICT (chain, protocol) DO UPDATE SET value = excluded.value"
            ]
        if step.what == "delete":
            return [f"DELETE FROM {table} WHERE protocol = '{step.key}'"]
        if step.what == "rename":
            other = KEYS[step.value % len(KEYS)]
            return [f"UPDATE {table} SET protocol = '{other}' WHERE protocol = '{step.key}'"]
        empty = f"TRUNCATE {table}" if step.value % 2 else f"DELETE FROM {table}"
        return [
            empty,
            f"INSERT INTO {table} SELECT 'ethereum', k, {step.value} FROM unnest(ARRAY['aave', 'lido']) AS k",
        ]

    def _end(self, writer: int, how: str) -> None:
        del self._written[writer]
        try:
            self._connections[writer].execute(how.encode())
        except psycopg.errors.SerializationFailure:
            self._note(f"{how}: SerializationFailure")
            with suppress(psycopg.Error):
                self._connections[writer].execute("ROLLBACK")
        else:
            self._note(how)
            if how == "commit":
                self.held += [*self._seen[writer], self._contents(writer)]

    def _contents(self, writer: int) -> Contents:
        rows = self._connections[writer].execute(f"SELECT protocol, value FROM {self._table}".encode())
        return dict(rows.fetchall())

    def _note(self, outcome: str) -> None:
        self.outcomes.append(outcome)
