"""Warming the cache: filling the entries that are likely to be read before somebody has to wait for them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from core.cache.stats import ranked
from core.errors import ServiceUnavailable
from core.services.postgres import queries
from rtp_client.cache.entry import Source
from rtp_client.cache.source import DatabaseSource
from rtp_client.errors import TableRefused
from rtp_client.keys import cache_key_owner
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from rtp_client.cache.reader import CacheReader

_PAGE = 200
_QUERIES = queries("core.sql", "cache.sql")


@dataclass(frozen=True)
class Warmed:
    """How many entities were looked at, and how many of these had to be filled."""

    entities: int
    filled: int


def warm(
    reader: CacheReader,
    limit: int,
    *,
    kinds: Collection[str],
    among: int | None = None,
    may_go_on: Callable[[], bool] = lambda: True,
    on_page: Callable[[int], object] = lambda _: None,
    known: Callable[[str, int], Sequence[tuple[str, str]]] | None = None,
) -> Warmed:
    """Fill up to `limit` entries per kind: those read most in the last 15 minutes, then those reported last.

    `among` is how many kinds there are, where `kinds` are not all of them: what was read most is looked for among all.
    `known` tells so many chains and names of a kind where no PostgreSQL knows them. `on_page` is told how many are
    done. Raises ServiceUnavailable; TableRefused, once the other kinds are done, where a table cannot be read.
    """
    entities = filled = 0
    refusal: TableRefused | None = None
    for kind in kinds:
        others = known(kind, limit) if known is not None else _known(reader.source, kind, limit)
        wanted = _wanted(reader, kind, limit, others, among=among or len(kinds))
        while page := list(islice(wanted, _PAGE)):
            try:
                found = reader.get_many(kind, page)
            except TableRefused as error:
                refusal = refusal or error
                break
            if reader.is_redis_away:
                raise ServiceUnavailable("Redis", reader.address, "it did not take what was read")
            entities += len(page)
            filled += sum(1 for entry in found.values() if entry and entry.source == Source.DATABASE)
            on_page(entities)
            if not may_go_on():
                return Warmed(entities, filled)
    if refusal is not None:
        raise refusal
    return Warmed(entities, filled)


def _wanted(
    reader: CacheReader, kind: str, limit: int, known: Sequence[tuple[str, str]], *, among: int
) -> Iterator[tuple[str, str]]:
    with redis_errors(reader.address):
        hottest = ranked(reader.client, "hot", limit * among)
    owners = filter(None, (cache_key_owner(key) for key, _ in hottest))
    hot = [(chain, entity) for owner, chain, entity in owners if owner == kind]
    return islice(dict.fromkeys([*hot, *known]), limit)


def _known(source: object, kind: str, limit: int) -> list[tuple[str, str]]:
    """The chain and name of the entities of a kind that were reported last; none where no PostgreSQL knows them."""
    if not isinstance(source, DatabaseSource):
        return []
    with source.connection() as connection:
        return connection.execute(_QUERIES["known"], {"kind": kind, "limit": limit}).fetchall()
