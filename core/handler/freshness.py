"""Keeping quiet entities in the cache: what is read lives on, and is compared with the table now and then.

Each record that is judged writes its entity's entry (`current`). Of entities that no record tells of, a tick looks at
those that readers read: it fills the entries that have expired, and renews those older than half of `max_staleness`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.cache.readers import cache_reader
from core.cache.stats import ranked
from core.errors import SinkUnavailable
from core.handler.items import dynamodb_of
from rtp_client.cache.entry import Source
from rtp_client.cache.lifetime import spread
from rtp_client.cache.loading import Guarded, Owner
from rtp_client.cache.scripts import WRITE, write_arguments
from rtp_client.event import format_sequence
from rtp_client.keys import cache_key, cache_key_owner
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.settings.models import Settings
    from rtp_client import Entry

_SHORTEST_INTERVAL_SECONDS = 0.5
_LONGEST_INTERVAL_SECONDS = 60.0


class CacheKeeper:
    """Looks after up to `redis.cache.warm_entries` entries of each kind. Not thread-safe."""

    def __init__(self, settings: Settings) -> None:
        cache = settings.redis.cache
        self._limit = cache.warm_entries
        self._kinds = {settings.watches[name].kind for name in settings.dynamodb.tables}
        self._oldest = {kind: cache.max_staleness_seconds(kind) / 2 for kind in self._kinds}
        bounds = [bound for bound in self._oldest.values() if bound]
        self._interval = max(min([*bounds, _LONGEST_INTERVAL_SECONDS]), _SHORTEST_INTERVAL_SECONDS)
        self._due = 0.0
        self._ttl_ms = settings.redis.cache_ttl_ms
        self._reader = cache_reader(settings, dynamodb=dynamodb_of(settings), is_counted=False)
        self._write = self._reader.client.register_script(WRITE)

    def keep(self) -> int:
        """Look, where it is time to. Returns how many entries were renewed. Raises RtpError."""
        now = time.monotonic()
        if not self._limit or now < self._due:
            return 0
        self._due = now + self._interval
        with redis_errors(self._reader.address, SinkUnavailable):
            hottest = ranked(self._reader.client, "hot", self._limit * len(self._kinds))
        owners = [Owner(*owner) for key, _ in hottest if (owner := cache_key_owner(key))]
        return sum(self._keep(kind, [owner for owner in owners if owner.kind == kind]) for kind in self._kinds)

    def _keep(self, kind: str, owners: Sequence[Owner]) -> int:
        found = self._reader.get_many(kind, [owner[1:] for owner in owners[: self._limit]])
        if self._reader.is_redis_away:
            raise SinkUnavailable("Redis", self._reader.address, "it did not take what was read")
        filled = sum(entry is not None and entry.source is Source.DATABASE for entry in found.values())
        return filled + self._renew(kind, {pair: entry for pair, entry in found.items() if self._is_old(kind, entry)})

    def _is_old(self, kind: str, entry: Entry | None) -> bool:
        oldest = self._oldest[kind]
        return (
            entry is not None
            and bool(oldest)
            and entry.source is Source.CACHE
            and time.time() - entry.as_of.timestamp() > oldest
        )

    def _renew(self, kind: str, entries: Mapping[tuple[str, str], Entry | None]) -> int:
        """Write what the table holds, where no record of the entity was judged since the entry was read."""
        if not entries or self._reader.source is None:
            return 0
        rows = self._reader.source.rows([Owner(kind, *pair) for pair in entries])
        with (
            redis_errors(self._reader.address, SinkUnavailable),
            self._reader.client.pipeline(transaction=False) as pipe,
        ):
            for owner, row in rows.items():
                entry, key = entries[owner.chain, owner.entity], cache_key(*owner)
                assert entry is not None
                fields = ("as_of", row.as_of, "current", row.value)
                lifetime = spread(self._ttl_ms(kind), key)
                write = Guarded(key, "sequence", format_sequence(entry.sequence), lifetime, fields)
                self._write([key], write_arguments(write), client=pipe)
            return sum(pipe.execute())
