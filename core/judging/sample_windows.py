"""Reading windows of the sample log: their rows, how many there are, and waiting for more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from core.judging.sample import SampleRow
from core.log.logs import SAMPLES
from core.log.position import wait_query, window_queries
from core.services.postgres import queries
from core.services.prepared import PreparedStatements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from core.services.postgres import DatabaseServer

_QUERIES = queries("core.sql", "samples.sql")
_ROWS = window_queries(SAMPLES, _QUERIES["read_samples"], which=_QUERIES["of_watches"])
_COUNTS = window_queries(SAMPLES, _QUERIES["count_samples"], columns=b"id, watch")
_STATEMENTS = {f"read_{way}": query for way, query in _ROWS.items()} | {
    **{f"count_{way}": query for way, query in _COUNTS.items()},
    "wait": wait_query(SAMPLES),
}
BEYOND_ALL_IDS = 2**63 - 1

Reach = tuple[str, int, int]
"""How far the window reaches, how many transactions above its snapshot had begun, and the newest id drawn."""
Values = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """How many samples one read may bring, a portion of a backlog holds, and one query looks over or a piece holds."""

    rows: int = 1000
    portion: int = 500
    piece: int = 50_000


class SampleCounts(NamedTuple):
    """How many of the next samples of a window are of each watch, up to an id; where `is_full`, there are more."""

    of_watch: Mapping[int, int]
    last_id: int
    is_full: bool


class SampleWindows:
    """The queries on one connection. Errors are rtp's own. `way` and `values` are a position's next window."""

    def __init__(self, server: DatabaseServer, connection: psycopg.Connection, limits: Limits) -> None:
        self.limits = limits
        self._server = server
        self._statements = PreparedStatements(connection, _STATEMENTS)

    def read(
        self,
        way: str,
        values: Values,
        *,
        limit: int,
        only: int | None = None,
        without: Collection[int] = (),
        through_id: int = BEYOND_ALL_IDS,
    ) -> tuple[Reach, list[SampleRow]]:
        """The next rows of a window up to an id: those of one watch, or of all without some."""
        watches = ",".join(map(str, without if only is None else (only,)))
        which = {"watches": f"{{{watches}}}", "are_read": only is not None, "through_id": through_id, "limit": limit}
        found = self._fetch(f"read_{way}", values | which)
        rows = [SampleRow._make(row[3:]) for row in found] if found[0][3] is not None else []
        return found[0][:3], rows

    def count(self, way: str, values: Values) -> tuple[Reach, SampleCounts]:
        """How many of the next rows of a window are of each watch."""
        found = self._fetch(f"count_{way}", values | {"limit": self.limits.piece})
        of_watch = {watch: count for *_, watch, count, _ in found if count}
        last_id = max(row[5] or 0 for row in found)
        return found[0][:3], SampleCounts(of_watch, last_id, sum(of_watch.values()) == self.limits.piece)

    def wait(self, values: Values) -> None:
        """Wait in the server for a reason to read again."""
        self._fetch("wait", values)

    def _fetch(self, name: str, values: Values) -> list[tuple[Any, ...]]:
        try:
            return self._statements.fetch(name, values)
        except psycopg.Error as error:
            raise self._server.failure(error) from error
