"""What a reader of the cache may be told, besides the addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rtp_client.cache.table import Table

TTL_SECONDS = 3600.0
MAX_STALENESS_SECONDS = 60.0
UNKNOWN_TTL_SECONDS = 5.0
TIMEOUT_SECONDS = 0.5
CONNECT_TIMEOUT_SECONDS = ANSWER_TIMEOUT_SECONDS = 5.0


class CacheOptions(TypedDict, total=False):
    """All of them may be left out. What can differ from kind to kind is one number, or a mapping of kinds."""

    tables: Sequence[Table]
    """Where values are that Redis does not hold; needed with a PostgreSQL address."""
    ttl_seconds: float | Mapping[str, float]
    """How long an entry lives that this reader fills or keeps alive: 3600, as `redis.cache_ttl_seconds`."""
    max_staleness_seconds: float | Mapping[str, float]
    """From which age on an entry says that it is stale, 0 for never: 60, as `redis.cache.max_staleness`."""
    unknown_ttl_seconds: float
    """How long an entity that no table knows is remembered as unknown: 5."""
    timeout_seconds: float
    """A Redis that has not answered for so long counts as away for a second: 0.5, as a database would be quicker."""
    connect_timeout_seconds: float
    """How long to wait for a connection to PostgreSQL: 5."""
    answer_timeout_seconds: float
    """How long to wait for an answer of PostgreSQL: 5."""
    prepares: bool
    """Whether PostgreSQL's sessions keep prepared statements: True. A pooler of transactions needs False."""


def per_kind(given: float | Mapping[str, float] | None, otherwise: float) -> Callable[[str], float]:
    """What such an option says of each kind."""
    if given is None:
        return lambda _: otherwise
    if isinstance(given, float | int):
        return lambda _: given
    return lambda kind: given.get(kind, otherwise)
