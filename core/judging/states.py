"""What is remembered of the entities: in memory as many as are at work, in rtp.baseline all.

Only the judge writes the baselines of sampled watches while nobody installs, so what it has loaded holds.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.detection.memory import memory_of
from core.detection.state import EntityState
from core.detection.testimony import Testimony
from core.judging.columns import KEY, by_column
from core.judging.entity import EntityMemory
from core.services.postgres import queries
from core.services.prepared import PreparedStatements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from psycopg import Connection

    from core.judging.sample import EntityKey
    from core.judging.watches import InstalledWatch

_QUERIES = queries("core.sql", "judging.sql")
MOST_IN_MEMORY = 50_000


class States:
    """The entities in memory, those used last at the end."""

    def __init__(self, connection: Connection, watches: Mapping[int, InstalledWatch]) -> None:
        self._statements = PreparedStatements(connection, _QUERIES)
        self._watches = watches
        self._entities: OrderedDict[EntityKey, EntityMemory] = OrderedDict()

    def load(self, keys: Collection[EntityKey]) -> Mapping[EntityKey, EntityMemory]:
        """Have these entities in memory, whether they have been seen or not; returns all that are."""
        missing = [key for key in keys if key not in self._entities]
        if missing:
            self._entities.update(self.read(missing))
        for key in keys:
            self._entities.move_to_end(key)
        return self._entities

    def read(self, keys: Sequence[EntityKey]) -> Mapping[EntityKey, EntityMemory]:
        """These entities as the database remembers them; those that it does not know have no state."""
        rows = self._statements.fetch("states", by_column(KEY, keys))
        found = {row[:3]: (_state(*row[3:-2]), *row[-2:]) for row in rows}
        return {key: EntityMemory(key, self._watches[key[0]], *found.get(key, (None,))) for key in keys}

    def trim(self) -> None:
        """Forget the entities that were not used for longest, where there are too many. None of them may be dirty."""
        while len(self._entities) > MOST_IN_MEMORY:
            self._entities.popitem(last=False)


def _state(*columns: Any) -> EntityState:
    state, testimony, suspect_testimony = (
        EntityState(*columns[:9]),
        Testimony(*columns[9:12]),
        Testimony(*columns[12:15]),
    )
    return replace(
        state,
        testimony=testimony,
        suspect_testimony=suspect_testimony,
        lag=columns[15],
        gone_at=columns[16],
        memory=memory_of(columns[17]),
    )
