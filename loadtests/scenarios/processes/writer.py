"""The writes of one user: the next ones of its entities, each marked and each significant."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from core.services.postgres import queries
from loadtests.scenarios.names import CHAIN
from loadtests.scenarios.schedule import entities_of
from loadtests.scenarios.write_mark import WriteMark

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from loadtests.scenarios.scenario import Scenario

_QUERIES = queries("loadtests.scenarios", "writes.sql")
_NAME = b"write_due"
# 2 % apart, there and back: each write deviates from the last reported value by more than the watch's 1 %.
_VALUES = ("1000", "1020")  # seeded with the first


class UserWriter:
    """Remembers how often each entity was written."""

    def __init__(self, scenario: Scenario, user: int, users: int) -> None:
        self._rows = scenario.rows_per_write
        if self._rows > 1:
            self._query = _QUERIES["upsert_many"]
        else:
            self._query = _QUERIES["append_one" if scenario.shape == "history" else "update_one"]
        entities = entities_of(scenario, user, users)
        self.written = dict.fromkeys(entities, 0)
        self._next = cycle(entities)
        self._chosen: list[str] = []

    def prepare(self, connection: psycopg.Connection) -> None:
        """Prepare the statement of all writes. Raises psycopg.Error."""
        connection.execute(b"PREPARE %s AS %s" % (_NAME, self._query))

    def next_write(self, due: float) -> tuple[bytes, Sequence[bytes]]:
        """The prepared statement's name and its parameters; the same write again until `note_written`.

        Where one that failed was committed all the same, the second one changes nothing and makes no event.
        """
        if not self._chosen:
            self._chosen = [next(self._next) for _ in range(self._rows)]
        numbers = [self.written[entity] + 1 for entity in self._chosen]
        due_us = round(due * 1e6)
        marks = [str(WriteMark(number, due_us)) for number in numbers]
        values = [_VALUES[number % 2] for number in numbers]
        return _NAME, [CHAIN.encode(), *map(self._parameter, (self._chosen, values, marks))]

    def note_written(self) -> int:
        """The write is done; the number of its rows."""
        for entity in self._chosen:
            self.written[entity] += 1
        self._chosen = []
        return self._rows

    def _parameter(self, texts: Sequence[str]) -> bytes:
        """One text, or an array of them; none has a character that an array would want quoted."""
        return (texts[0] if self._rows == 1 else f"{{{','.join(texts)}}}").encode()
