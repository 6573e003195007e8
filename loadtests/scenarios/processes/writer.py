"""The writes of one user: the next ones of its entities, each marked and each significant."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from core.services.postgres import queries
from core.services.prepared import PreparedStatement
from loadtests.scenarios.names import CHAIN
from loadtests.scenarios.schedule import entities_of
from loadtests.scenarios.write_mark import WriteMark

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from loadtests.scenarios.scenario import Scenario

_QUERIES = queries("loadtests.scenarios", "writes.sql")
# 2 % apart, there and back: each write deviates from the last reported value by more than the watch's 1 %.
_VALUES = ("1000", "1020")  # seeded with the first


class UserWriter:
    """Remembers how often each entity was written. A write that failed is tried again as the same one."""

    def __init__(self, scenario: Scenario, user: int, users: int) -> None:
        self._scenario = scenario
        entities = entities_of(scenario, user, users)
        self.written = dict.fromkeys(entities, 0)
        self._next = cycle(entities)
        self._failed: Sequence[str] = ()
        self._prepared: tuple[psycopg.Connection, PreparedStatement] | None = None

    def write(self, connection: psycopg.Connection, due: float) -> int:
        """Write once; the number of rows. Raises psycopg.Error, and nothing counts as written then.

        Where the failed statement was committed all the same, the second one changes nothing and makes no event.
        """
        chosen = self._failed or [next(self._next) for _ in range(self._scenario.rows_per_write)]
        self._failed = chosen
        marks = [str(WriteMark(self.written[entity] + 1, round(due * 1e6))) for entity in chosen]
        values = [_VALUES[(self.written[entity] + 1) % 2] for entity in chosen]
        if self._scenario.rows_per_write > 1:
            many = {"chain": CHAIN, "protocols": list(chosen), "values": values, "marks": marks}
            connection.execute(_QUERIES["upsert_many"], many, prepare=True)
        else:
            one = {"chain": CHAIN, "protocol": chosen[0], "value": values[0], "mark": marks[0]}
            self._single(connection).fetch(one)
        self._failed = ()
        for entity in chosen:
            self.written[entity] += 1
        return len(chosen)

    def _single(self, connection: psycopg.Connection) -> PreparedStatement:
        """The statement of one row, prepared once per connection."""
        if self._prepared is None or self._prepared[0] is not connection:
            query = _QUERIES["append_one" if self._scenario.shape == "history" else "update_one"]
            self._prepared = connection, PreparedStatement(connection, "write_one", query)
        return self._prepared[1]
