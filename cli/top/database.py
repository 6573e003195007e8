"""What a board learns from PostgreSQL: how the sinks do, what has a peg and is off it, and all about an entity."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cli.database import connection_to
from cli.top.explained import details_of
from cli.top.market import EntityKey
from cli.top.sinks import RtpState, state_in
from core.cache.readers import cache_reader
from core.inspection.document import as_document
from core.inspection.entities import read_entities
from core.inspection.explainer import explain
from core.inspection.inspector import inspect, looking
from core.inspection.pegs import Pegged, off_peg_since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from psycopg import Connection

    from cli.top.world import BoardInbox, Details
    from core.settings.models import Settings
    from core.settings.peg import Peg
    from rtp_client import Entry


@dataclass(frozen=True)
class DatabaseLooks:
    """Looks over one connection, for as long as it lasts."""

    settings: Settings
    peg_of: Callable[[EntityKey], Peg | None]
    inbox: BoardInbox

    def __call__(self) -> Iterator[RtpState]:
        """First the pegged prices, which need no event to be shown; then rtp's state, again and again."""
        with connection_to(self.settings) as connection:
            pegged = self._pegged(connection)
            for entry in self._entries(list(pegged.values())):
                self.inbox.put(entry)
            while True:
                state = state_in(as_document(inspect(connection, self.settings.log)))
                yield replace(state, off_peg=_off_peg(connection, pegged))

    def _pegged(self, connection: Connection) -> dict[Pegged, EntityKey]:
        with looking(connection):
            entities = read_entities(connection)
        keys = {Pegged(one.watch, one.chain, one.name): EntityKey(one.kind, one.chain, one.name) for one in entities}
        return {pegged: key for pegged, key in keys.items() if self.peg_of(key) is not None}

    def _entries(self, keys: Sequence[EntityKey]) -> Iterator[Entry]:
        with cache_reader(self.settings, is_counted=False) as reader:
            for kind in {key.kind for key in keys}:
                pairs = [(key.chain, key.entity) for key in keys if key.kind == kind]
                yield from filter(None, reader.get_many(kind, pairs).values())


def _off_peg(connection: Connection, pegged: Mapping[Pegged, EntityKey]) -> Mapping[EntityKey, datetime]:
    return {pegged[one]: since for one, since in off_peg_since(connection, list(pegged)).items()}


def explain_in_database(settings: Settings, key: EntityKey) -> Details:
    """All about an entity, as `rtp explain` tells it. Raises RtpError."""
    with connection_to(settings) as connection:
        return details_of(explain(connection, settings, key.kind, key.entity, key.chain))
