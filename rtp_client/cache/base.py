"""What both readers share: the settings, the names, the counts, and how answers become entries. No I/O."""

from __future__ import annotations

import re
import secrets
import time
from itertools import chain
from typing import TYPE_CHECKING, Any

import redis

from rtp_client.cache import loading
from rtp_client.cache.counts import Counts, commands
from rtp_client.cache.entry import (
    FIELDS,
    Entry,
    Found,
    Reading,
    Source,
    clustered_read_command,
    finding,
    read_command,
)
from rtp_client.cache.loading import Loaded, Owner, Query, row_fields
from rtp_client.cache.options import MAX_STALENESS_SECONDS, TIMEOUT_SECONDS, TTL_SECONDS, UNKNOWN_TTL_SECONDS, per_kind
from rtp_client.cache.scripts import TOUCH
from rtp_client.cluster import names_cluster
from rtp_client.errors import ServiceUnavailable, SettingsError
from rtp_client.event import KIND_PATTERN
from rtp_client.keys import CACHE_REFRESHED, cache_key
from rtp_client.redact import redact, shown
from rtp_client.redis import redis_unavailable

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, MutableMapping, Sequence

    from rtp_client.cache.counts import Batch, Command
    from rtp_client.cache.item_table import DynamoDb, ItemTable
    from rtp_client.cache.loading import Fields, Step
    from rtp_client.cache.options import CacheOptions
    from rtp_client.cache.table import Table

# For so long Redis is not asked after it did not answer.
_REST_SECONDS = 1.0
CHUNK = 500
_KIND = re.compile(KIND_PATTERN)


class ReaderBase:
    """The part of a reader that does no I/O."""

    def __init__(
        self,
        redis_url: str,
        postgres_dsn: str | None,
        dynamodb: DynamoDb | None,
        options: CacheOptions,
        *,
        is_counted: bool,
    ) -> None:
        if postgres_dsn and dynamodb:
            raise SettingsError("both PostgreSQL and DynamoDB are named as what to read from", "Leave one of them out")
        tables: Sequence[Table | ItemTable] = dynamodb.tables if dynamodb else options.get("tables", ())
        if (postgres_dsn or dynamodb) and not tables:
            raise SettingsError("a database without tables to look into", "Name tables, or leave it out")
        self.address = redact(redis_url)
        self.counts = Counts(is_kept=is_counted)
        self._timeout_seconds = options.get("timeout_seconds", TIMEOUT_SECONDS)
        self._ttl_seconds = per_kind(options.get("ttl_seconds"), TTL_SECONDS)
        self._max_staleness_seconds = per_kind(options.get("max_staleness_seconds"), MAX_STALENESS_SECONDS)
        self._unknown_ttl_ms = int(options.get("unknown_ttl_seconds", UNKNOWN_TTL_SECONDS) * 1000)
        self._columns = tuple(dict.fromkeys(chain.from_iterable(table.watched for table in tables)))
        self._looked_up = frozenset(table.kind for table in tables) if postgres_dsn or dynamodb else None
        self._metadata = frozenset(table.kind for table in tables if table.value is None)
        self._compared_at: dict[str, str] = {}
        self._read_command = clustered_read_command if names_cluster(redis_url) else read_command
        self._resting_until = 0.0
        self._failure: ServiceUnavailable | None = None

    @property
    def is_redis_away(self) -> bool:
        """Whether Redis did not answer a moment ago: reads go to the database until it is asked again."""
        return time.monotonic() < self._resting_until

    def can_tell_of(self, kind: str) -> bool:
        """Whether it may be asked for this kind: any, where there is no database to look into."""
        return self._looked_up is None or kind in self._looked_up

    def _require_table(self, kind: str) -> None:
        if not _KIND.fullmatch(kind):
            raise SettingsError(f"{shown(kind)!r} is no kind's name", "Kinds are small letters, digits and _")
        # Whatever is not found in a table is cached as unknown, for all readers.
        if self._looked_up is not None and kind not in self._looked_up:
            raise SettingsError(f"no table of kind {kind} is named", f"There are: {', '.join(sorted(self._looked_up))}")

    def _note_failure(self, error: redis.RedisError) -> ServiceUnavailable:
        """Leave a Redis alone that does not answer. One that only refuses (a replica, a full one) is still read."""
        if "client-side caching is supported" in str(error):  # redis-py asks the server's name and version
            raise SettingsError(
                f"copies in the process need Redis 7.4 or newer, and {self.address} is none",
                "Leave local_entries out",
            ) from error
        self._failure = redis_unavailable(self.address, error)
        if not isinstance(error, redis.ResponseError):
            self._resting_until = time.monotonic() + _REST_SECONDS
        return self._failure

    def _note_comparisons(self, answer: Any) -> None:
        """Note when the cached values of each kind were last compared with the tables."""
        if isinstance(answer, dict):
            self._compared_at |= {kind.decode(): at.decode() for kind, at in answer.items()}

    def _reading(self, kind: str, source: Source) -> Reading:
        return Reading(source, self._compared_at.get(kind, ""), self._max_staleness_seconds(kind), self._columns)

    def _ttl_ms(self, kind: str) -> int:
        return int(self._ttl_seconds(kind) * 1000)

    def _loading(
        self, missing: Mapping[str, Owner], seen: Mapping[str, Fields], found: MutableMapping[str, Loaded]
    ) -> Generator[Step, Any, None]:
        token = secrets.token_hex(8)
        return loading.load(missing, seen, found, token=token, ttl_ms=self._ttl_ms, unknown_ttl_ms=self._unknown_ttl_ms)

    def _falling_back(
        self,
        missing: Mapping[str, Owner],
        found: MutableMapping[str, Loaded],
        failure: ServiceUnavailable | None,
        *,
        has_source: bool,
    ) -> Generator[Step, Any, None]:
        """Read what is in neither `found` nor the cache from its table. Raises `failure` where nobody can."""
        owners = {key: owner for key, owner in missing.items() if key not in found}
        if owners and has_source:
            self.counts.fallbacks.append(tuple(owners))
            rows = yield Query(list(owners.values()))
            found.update({key: Loaded(row_fields(rows.get(owner)), True) for key, owner in owners.items()})
        elif owners and failure:
            raise failure
        else:
            self.counts.misses.append(tuple(owners))

    def _flush_commands(self, batch: Batch) -> Iterator[Command]:
        """What to send now and then. The first one's answer is for `_note_comparisons`."""
        yield "HGETALL", CACHE_REFRESHED
        if batch:
            yield from commands(batch, time.time())
        for key, ttl_ms in self.counts.to_touch(batch, self._ttl_ms):
            yield "EVAL", TOUCH, 1, key, ttl_ms

    def _sort(
        self,
        kind: str,
        keys: Mapping[str, tuple[str, str]],
        answers: Iterable[Fields],
        entries: dict[tuple[str, str], Entry | None],
        local: Collection[str] = (),
    ) -> tuple[dict[str, Owner], dict[str, Fields]]:
        """Put what was found into `entries`; what is missing, and the fields of those that lack a part."""
        missing, seen = {}, {}
        readings = {False: self._reading(kind, Source.CACHE), True: self._reading(kind, Source.LOCAL)}
        reading, is_whole = readings[False], kind not in self._metadata
        for (key, pair), fields in zip(keys.items(), answers, strict=True):
            # Nearly all entries of nearly all reads are of this sort, so it is looked for without a call.
            if is_whole and not local and fields[0] is not None and fields[1] is not None:
                entries[pair] = Entry(kind, *pair, fields, reading)
                continue
            what = finding(fields)
            # Without a database to ask, what the event says is all there is to know.
            if what is Found.HIT or (what is Found.PARTIAL and self._looked_up is None):
                entries[pair] = Entry(kind, *pair, fields, readings[key in local])
            elif what is Found.UNKNOWN:
                entries[pair] = None
            else:
                missing[key] = Owner(kind, *pair)
                if what is Found.PARTIAL:
                    seen[key] = fields
        if missing or local:
            self.counts.local.append(tuple(local))
            self.counts.hits.append([key for key in keys if key not in missing and key not in local])
        else:
            self.counts.hits.append(keys)
        return missing, seen

    def _take(
        self, owners: Mapping[str, Owner], found: Mapping[str, Loaded], entries: dict[tuple[str, str], Entry | None]
    ) -> None:
        for key, owner in owners.items():
            fields, from_database = found.get(key, Loaded(None, from_database=False))
            reading = self._reading(owner.kind, Source.DATABASE if from_database else Source.CACHE)
            entries[owner[1:]] = None if fields is None else Entry(*owner, fields, reading)


def keys_of(kind: str, pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """The chain and name of the entities that are asked for, by their keys."""
    return {cache_key(kind, *pair): pair for pair in pairs}


def nothing_after(error: redis.ResponseError) -> Fields:
    """The fields of an entry where somebody put a value of another type under a name of rtp's. Raises other errors."""
    if not str(error).startswith("WRONGTYPE"):
        raise error
    return (None,) * len(FIELDS)
