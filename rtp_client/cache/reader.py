"""CacheReader: the cache for threads."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, Unpack

import redis
from redis.cache import CacheConfig, CacheEntryStatus, CacheKey

from rtp_client.cache.base import CHUNK, ReaderBase, keys_of, nothing_after
from rtp_client.cache.counts import FLUSH_SECONDS
from rtp_client.cache.entry import FIELDS, Entry, Found, Source, finding
from rtp_client.cache.flights import Flights
from rtp_client.cache.loading import (
    CLAIM_MS,
    Claim,
    Join,
    Loaded,
    Owner,
    Pause,
    Query,
    Read,
    Settled,
    Write,
)
from rtp_client.cache.scripts import CLAIM, WRITE, claim_arguments, write_arguments
from rtp_client.cache.sources import source_of
from rtp_client.cluster import names_cluster
from rtp_client.errors import SettingsError
from rtp_client.keys import cache_key
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from rtp_client.cache.item_table import DynamoDb
    from rtp_client.cache.loading import Fields, Step
    from rtp_client.cache.options import CacheOptions


# One for each thread that reads at the same time; redis-py's own limit is 100, and it refuses what is beyond.
_MOST_CONNECTIONS = 10_000


class CacheReader(ReaderBase):
    """Reads TVL, prices and metadata from Redis, and from the tables what is not there. Any thread may use it.

    The tables are PostgreSQL's (`postgres_dsn`) or DynamoDB's; without both it reads Redis only. `local_entries` above
    0 keeps so many entries in this process, too, while Redis does not say that they have changed (RESP3 client-side
    caching). `is_counted=False` leaves its reads out of `rtp cache stats`, for tools.
    Every read raises ServiceUnavailable where neither Redis nor the tables answer.
    """

    def __init__(
        self,
        redis_url: str,
        postgres_dsn: str | None = None,
        *,
        dynamodb: DynamoDb | None = None,
        local_entries: int = 0,
        is_counted: bool = True,
        **options: Unpack[CacheOptions],
    ) -> None:
        super().__init__(redis_url, postgres_dsn, dynamodb, options, is_counted=is_counted)
        caching: dict[str, Any] = {}
        if local_entries and names_cluster(redis_url):
            raise SettingsError("a cluster's entries are not copied into the process", "Leave local_entries out")
        if local_entries:
            caching = {"protocol": 3, "cache_config": CacheConfig(max_size=local_entries)}
        self.client = redis_client(
            redis_url,
            client_name="rtp-cache",
            timeout_seconds=self._timeout_seconds,
            retries=1,
            max_connections=_MOST_CONNECTIONS,
            **caching,
        )
        self._local = self.client.get_cache()
        self._pool = self.client.connection_pool
        self._claim, self._write = map(self.client.register_script, (CLAIM, WRITE))
        self.source = source_of(postgres_dsn, dynamodb, options)
        self._flights = Flights[threading.Event]()
        self._closing = threading.Event()
        self._flusher = threading.Thread(target=self._flush_now_and_then, name="rtp-cache-counts", daemon=True)
        if is_counted:
            self._flusher.start()
        else:
            self._flush()  # nothing to count, but it also learns how fresh the cache is

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Send the last counts, and give the connections back."""
        self._closing.set()
        if self._flusher.ident is not None:
            self._flusher.join()
        self.client.close()
        if self.source:
            self.source.close()

    def get(self, kind: str, chain: str, entity: str) -> Entry | None:
        """The newest value and event of one entity; None where neither the cache nor the table knows it."""
        self._require_table(kind)
        key = cache_key(kind, chain, entity)
        if self._local is None and not self.is_redis_away:
            try:
                fields = self._read_chunk((key,))[0]
            except redis.RedisError as error:
                self._note_failure(error)
            else:
                if finding(fields) is Found.HIT:
                    self.counts.hits.append((key,))
                    return Entry(kind, chain, entity, fields, self._reading(kind, Source.CACHE))
        return self.get_many(kind, [(chain, entity)])[chain, entity]

    def get_many(self, kind: str, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Entry | None]:
        """The same for many entities of a kind, each given as chain and name; one round trip where all are cached."""
        self._require_table(kind)
        keys = keys_of(kind, pairs)
        entries: dict[tuple[str, str], Entry | None] = {}
        found: dict[str, Loaded] = {}
        missing: dict[str, Owner] | None = None
        failure = self._failure if self.is_redis_away else None
        if failure is None:
            try:
                missing, seen = self._look(kind, keys, entries)
                if missing and self.source:
                    self._carry_out(self._loading(missing, seen, found))
            except redis.RedisError as error:
                failure = self._note_failure(error)
        if missing is None:
            missing = {key: Owner(kind, *pair) for key, pair in keys.items()}
        if missing:
            self.counts.misses.append(tuple(found))
            self._carry_out(self._falling_back(missing, found, failure, has_source=self.source is not None))
            self._take(missing, found, entries)
        return entries

    def _look(
        self, kind: str, keys: dict[str, tuple[str, str]], entries: dict[tuple[str, str], Entry | None]
    ) -> tuple[dict[str, Owner], dict[str, Fields]]:
        if self._local is None:
            return self._sort(kind, keys, self._read_many(list(keys)), entries)
        local = {key for key in keys if self._is_local(key)}
        return self._sort(kind, keys, self._read_singly(list(keys)), entries, local)

    def _is_local(self, key: str) -> bool:
        assert self._local is not None
        copy = self._local.get(CacheKey("HMGET", (key,), ("HMGET", key, *FIELDS)))
        return copy is not None and copy.status is CacheEntryStatus.VALID

    def _read_many(self, keys: Sequence[str]) -> list[Fields]:
        answers: list[Fields] = []
        for start in range(0, len(keys), CHUNK):
            answers += self._read_chunk(keys[start : start + CHUNK])
        return answers

    def _read_chunk(self, keys: Sequence[str]) -> list[Fields]:
        """One round trip, without what redis-py does per command: the bytes are known, the answers as they come."""
        connection = self._pool.get_connection()
        try:
            connection.send_packed_command(  # type: ignore[no-untyped-call]
                [b"".join(map(self._read_command, keys))]
            )
            answers = []
            for _ in keys:
                try:
                    answers.append(connection.read_response())
                except redis.ResponseError as error:
                    answers.append(nothing_after(error))
        except BaseException:
            connection.disconnect()  # type: ignore[no-untyped-call]  # answers that nobody has read would be taken for those to the next question
            raise
        finally:
            self._pool.release(connection)
        return answers

    def _read_singly(self, keys: Sequence[str]) -> list[Fields]:
        """One by one, as redis-py's client-side cache works on single commands."""
        answers: list[Any] = []
        for key in keys:
            try:
                answers.append(self.client.hmget(key, FIELDS))
            except redis.ResponseError as error:
                answers.append(nothing_after(error))
        return answers

    def _carry_out(self, steps: Generator[Step, Any, None]) -> None:
        answer: Any = None
        read = threading.Event()
        try:
            while True:
                try:
                    step = steps.send(answer)
                except StopIteration:
                    return
                answer = self._step(step, read)
        finally:
            self._flights.done(read)

    def _step(self, step: Step, read: threading.Event) -> Any:
        answer: Any = None
        match step:
            case Join():
                answer = self._flights.join(step.keys, read)
            case Settled():
                self._wait_for_others(step.keys)
            case Read():
                answer = self._read_many(step.keys)
            case Query():
                assert self.source is not None
                answer = self.source.rows(step.owners)
            case Claim():
                with self.client.pipeline(transaction=False) as pipe:
                    for key in step.keys:
                        self._claim([key], claim_arguments(step), client=pipe)
                    answer = pipe.execute()
            case Write():
                with self.client.pipeline(transaction=False) as pipe:
                    for write in step.writes:
                        self._write([write.key], write_arguments(write), client=pipe)
                    answer = pipe.execute()
            case Pause():
                time.sleep(step.seconds)
        return answer

    def _wait_for_others(self, keys: Sequence[str]) -> None:
        deadline = time.monotonic() + CLAIM_MS / 1000
        for other in self._flights.of_others(keys):
            other.wait(deadline - time.monotonic())

    def _flush_now_and_then(self) -> None:
        self._flush()
        while not self._closing.wait(FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        batch = self.counts.take()
        if self.is_redis_away:
            return
        try:
            with self.client.pipeline(transaction=False) as pipe:
                for command in self._flush_commands(batch):
                    pipe.execute_command(*command)  # type: ignore[no-untyped-call]
                self._note_comparisons(pipe.execute(raise_on_error=False)[0])
        except redis.RedisError as error:
            with suppress(SettingsError):  # a read will say so
                self._note_failure(error)
