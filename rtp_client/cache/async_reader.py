"""AsyncCacheReader: the cache for asyncio. What it does after a miss is `loading`'s, as for threads."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, Unpack

import redis

from rtp_client.cache.base import CHUNK, ReaderBase, keys_of, nothing_after
from rtp_client.cache.counts import FLUSH_SECONDS
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
from rtp_client.cache.sources import async_source_of
from rtp_client.redis import async_redis_client

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from rtp_client.cache.entry import Entry
    from rtp_client.cache.item_table import DynamoDb
    from rtp_client.cache.loading import Fields, Step
    from rtp_client.cache.options import CacheOptions


_CONNECTIONS = 50


class AsyncCacheReader(ReaderBase):
    """CacheReader for asyncio, without copies in this process. Use it in one loop; `async with` or `close` ends it.

    `is_counted=False` leaves its reads out of `rtp cache stats`.
    """

    def __init__(
        self,
        redis_url: str,
        postgres_dsn: str | None = None,
        *,
        dynamodb: DynamoDb | None = None,
        is_counted: bool = True,
        **options: Unpack[CacheOptions],
    ) -> None:
        super().__init__(redis_url, postgres_dsn, dynamodb, options, is_counted=is_counted)
        self._client = async_redis_client(
            redis_url,
            client_name="rtp-cache",
            timeout_seconds=self._timeout_seconds,
            retries=1,
            max_connections=_CONNECTIONS,
        )
        self._pool = self._client.connection_pool
        self._claim, self._write = map(self._client.register_script, (CLAIM, WRITE))
        self._source = async_source_of(postgres_dsn, dynamodb, options)
        self._flights = Flights[asyncio.Event]()
        self._closing = asyncio.Event()
        self._flusher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._begin_flushing()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Send the last counts, and give the connections back."""
        if self._flusher:
            self._closing.set()
            await self._flusher
        await self._client.aclose()
        if self._source:
            await self._source.close()

    async def get(self, kind: str, chain: str, entity: str) -> Entry | None:
        """See CacheReader.get."""
        return (await self.get_many(kind, [(chain, entity)]))[chain, entity]

    async def get_many(self, kind: str, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Entry | None]:
        """See CacheReader.get_many."""
        self._begin_flushing()
        self._require_table(kind)
        keys = keys_of(kind, pairs)
        entries: dict[tuple[str, str], Entry | None] = {}
        found: dict[str, Loaded] = {}
        missing: dict[str, Owner] | None = None
        failure = self._failure if self.is_redis_away else None
        if failure is None:
            try:
                missing, seen = self._sort(kind, keys, await self._read_many(list(keys)), entries)
                if missing and self._source:
                    await self._carry_out(self._loading(missing, seen, found))
            except redis.RedisError as error:
                failure = self._note_failure(error)
        if missing is None:
            missing = {key: Owner(kind, *pair) for key, pair in keys.items()}
        if missing:
            self.counts.misses.append(tuple(found))
            await self._carry_out(self._falling_back(missing, found, failure, has_source=self._source is not None))
            self._take(missing, found, entries)
        return entries

    async def _read_many(self, keys: Sequence[str]) -> list[Fields]:
        answers: list[Fields] = []
        for start in range(0, len(keys), CHUNK):
            answers += await self._read_chunk(keys[start : start + CHUNK])
        return answers

    async def _read_chunk(self, keys: Sequence[str]) -> list[Fields]:
        """One round trip; see CacheReader."""
        connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.send_packed_command(b"".join(map(self._read_command, keys)))
            answers: list[Any] = []
            for _ in keys:
                try:
                    answers.append(await connection.read_response())
                except redis.ResponseError as error:
                    answers.append(nothing_after(error))
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await self._pool.release(connection)
        return answers

    async def _carry_out(self, steps: Generator[Step, Any, None]) -> None:
        answer: Any = None
        read = asyncio.Event()
        try:
            while True:
                try:
                    step = steps.send(answer)
                except StopIteration:
                    return
                answer = await self._step(step, read)
        finally:
            self._flights.done(read)

    async def _step(self, step: Step, read: asyncio.Event) -> Any:
        answer: Any = None
        match step:
            case Join():
                answer = self._flights.join(step.keys, read)
            case Settled():
                await self._wait_for_others(step.keys)
            case Read():
                answer = await self._read_many(step.keys)
            case Query():
                assert self._source is not None
                answer = await self._source.rows(step.owners)
            case Claim():
                async with self._client.pipeline(transaction=False) as pipe:
                    for key in step.keys:
                        await self._claim([key], claim_arguments(step), client=pipe)
                    answer = await pipe.execute()
            case Write():
                async with self._client.pipeline(transaction=False) as pipe:
                    for write in step.writes:
                        await self._write([write.key], write_arguments(write), client=pipe)
                    answer = await pipe.execute()
            case Pause():
                await asyncio.sleep(step.seconds)
        return answer

    async def _wait_for_others(self, keys: Sequence[str]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLAIM_MS / 1000):
                for other in self._flights.of_others(keys):
                    await other.wait()

    def _begin_flushing(self) -> None:
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush_now_and_then())

    async def _flush_now_and_then(self) -> None:
        while not self._closing.is_set():
            await self._flush()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), FLUSH_SECONDS)
        await self._flush()

    async def _flush(self) -> None:
        batch = self.counts.take()
        if self.is_redis_away:
            return
        try:
            async with self._client.pipeline(transaction=False) as pipe:
                for command in self._flush_commands(batch):
                    pipe.execute_command(*command)
                self._note_comparisons((await pipe.execute(raise_on_error=False))[0])
        except redis.RedisError as error:
            self._note_failure(error)
