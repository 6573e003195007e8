"""Since when the entities are off their peg that are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from core.inspection.inspector import looking
from core.redis_names import baseline_key
from core.services.postgres import queries
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from psycopg import Connection

    from core.handler.services import StreamServices

_QUERIES = queries("core.sql", "inspection.sql")


class Pegged(NamedTuple):
    """An entity in a watch that has a peg for it."""

    watch: str
    chain: str
    entity: str


def off_peg_since(connection: Connection, pegged: Sequence[Pegged]) -> Mapping[Pegged, datetime]:
    """Those of them that are off, as the baselines have it. Raises NotInstalled."""
    watches = sorted({one.watch for one in pegged})
    with looking(connection):
        rows = connection.execute(_QUERIES["off_peg"], {"watches": watches}).fetchall()
    asked = set(pegged)
    found = {Pegged(watch, chain, entity): since for watch, chain, entity, since in rows}
    return {one: since for one, since in found.items() if one in asked}


def off_peg_since_of_streams(services: StreamServices, pegged: Sequence[Pegged]) -> Mapping[Pegged, datetime]:
    """The same of a stream source, as its memories in Redis have it. Raises ServiceUnavailable."""
    with redis_errors(services.address):
        memories = services.baselines.load([baseline_key(*one) for one in pegged])
    return {
        one: memory.state.off_peg_since
        for one, memory in zip(pegged, memories, strict=True)
        if memory.state is not None and memory.state.off_peg_since is not None
    }
