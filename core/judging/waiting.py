"""What waits to be judged, as the database knows it: whether or not anybody judges."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from core.services.postgres import queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg import Connection

_QUERIES = queries("core.sql", "waiting.sql")
_WAITING_SAMPLES = _QUERIES["waiting_samples"].replace(
    b"{is_judged_within}", queries("core.sql", "samples.sql")["is_judged_within"]
)


class WaitingSamples(NamedTuple):
    """A watch's samples that wait: how many, their bytes in the log, and for how long the oldest one has waited.

    With `has_more` there may be more of them than were looked for. `is_behind` is a watch that is judged apart from the
    others, until it has caught up.
    """

    samples: int = 0
    has_more: bool = False
    seconds: float = 0.0
    bytes: int = 0
    is_behind: bool = False


def read_waiting(connection: Connection) -> dict[str, WaitingSamples]:
    """Of each installed watch, by name."""
    # Not prepared: the plan for a log that was empty would read all of it when it is long.
    rows = connection.execute(_whole("waiting"), prepare=False).fetchall()
    return {name: WaitingSamples(*found) for name, *found in rows}


def count_waiting(connection: Connection, entity: Mapping[str, object]) -> int:
    """The samples that wait of one entity: its `watch`, `chain` and `entity`."""
    row = connection.execute(_whole("waiting_of_entity"), entity).fetchone()
    return row[0] if row else 0


def _whole(query: str) -> bytes:
    return _QUERIES[query].replace(b"{waiting_samples}", _WAITING_SAMPLES)
