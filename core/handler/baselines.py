"""The baselines in Redis: read before judging, and moved in the step that also writes the cache and publishes."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import redis

from core.detection.market import market_of
from core.errors import SettingsError, SinkUnavailable
from core.handler.memory import (
    Memory,
    microseconds,
    read_lanes,
    read_state,
    read_waiting,
    write_lanes,
    write_memory,
    write_waiting,
)
from core.handler.scripts import COMMIT, RESERVE
from core.leading.epoch import UNFENCED
from core.redis_names import (
    ALERTS,
    BASELINES_DUE,
    BASELINES_MARKER,
    BASELINES_REBUILD,
    BASELINES_UNSENT,
    FENCE,
    SEQUENCE,
    baseline_owner,
    baseline_pattern,
    entities_key,
    market_key,
)
from core.services.xray import subsegment
from rtp_client.event import format_time
from rtp_client.keys import STREAM, cache_key, route_channel
from rtp_client.redact import redact
from rtp_client.redis import redis_client, redis_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from redis.client import Pipeline

    from core.handler.current import Current
    from core.settings.models import RedisSettings, Settings
    from rtp_client.event import Event, EventData

FORGET_AFTER_MS = 48 * 3600 * 1000  # a stream keeps records for 24 hours
_FIELDS = ("version", "state", "lanes", "unsent", "waiting", "run")


class FormerMove(NamedTuple):
    """What remains under the former name of an entity, whose baseline and cache entry go."""

    key: str
    cache_key: str
    left: Memory


@dataclass(frozen=True)
class BaselineMove:
    """An entity's next memory, the one it was made from, and the events of the move.

    `alerts` says for each queue which of the events belong in it, by their places. `current` is what the cache entry
    shall say beside the newest event. `former` is the name that the entity had until now: what remains under it.
    """

    key: str
    was: Memory
    now: Memory
    events: Sequence[Event] = ()
    due_at: datetime | None = None
    alerts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    current: Current | None = None
    former: FormerMove | None = None


class Baselines:
    """A client of the Redis that holds baselines, cache and stream. Every method raises SinkUnavailable.

    `marker` is what the last `load` has found of the marker, None for none, and `run` the server's run: empty where
    nobody may ask for it. `counted` are the watches whose entities are counted.
    `has_earlier_alerts` says that an earlier version of rtp kept alerts within baselines.
    """

    def __init__(
        self,
        settings: RedisSettings,
        *,
        url: str,
        channels_of: Callable[[EventData], Sequence[str]] = lambda _: (),
        counted: Collection[str] = (),
    ) -> None:
        self._channels_of = channels_of
        self._counted = counted
        self.address = redact(url)
        self.marker: str | None = None
        self.run = ""
        self.has_earlier_alerts = False
        self._client = redis_client(
            url,
            client_name="rtp-handler",
            timeout_seconds=settings.timeout_seconds,
            retries=1,  # a connection gone stale between two invocations is replaced; commits are guarded by version
        )
        self._commit = self._client.register_script(COMMIT)
        self._reserve = self._client.register_script(RESERVE)
        self._ttls = settings.cache_ttls
        self._stream_length = settings.stream_max_length

    @subsegment("Redis: load")
    def load(self, keys: Sequence[str]) -> list[Memory]:
        """What is remembered under each key, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.get(BASELINES_MARKER)
        pipeline.exists(BASELINES_UNSENT)
        pipeline.info("server")
        for key in keys:
            pipeline.hmget(key, _FIELDS)
        with redis_errors(self.address, SinkUnavailable):
            marker, earlier, server, *found = pipeline.execute(raise_on_error=False)
            for answer in (marker, earlier, *found):
                if isinstance(answer, redis.RedisError):
                    raise answer
        self.marker = None if marker is None else marker.decode(errors="replace")
        self.has_earlier_alerts = bool(earlier)
        self.run = server.get("run_id", "") if isinstance(server, dict) else ""
        return [self._memory(fields) for fields in found]

    def load_market(self, watch: str) -> Memory:
        """What is remembered of a watch's market-wide moves."""
        with redis_errors(self.address, SinkUnavailable):
            found: Any = self._client.hmget(market_key(watch), ("version", "state", "unsent"))
        version, state, unsent = ((value or b"").decode() for value in found)
        return Memory(int(version or 0), unsent=int(unsent or 0), market=market_of(state))

    def count_entities(self, watch: str) -> int:
        """How many entities of a watch are remembered, of those that have moved since they are counted."""
        with redis_errors(self.address, SinkUnavailable):
            return int(self._client.scard(entities_key(watch)))

    def mark(self) -> bool:
        """Set the marker where there is none. Returns whether Redis held nothing of a stream source until now."""
        token = secrets.token_hex(8)
        with redis_errors(self.address, SinkUnavailable):
            is_empty = not self._client.exists(SEQUENCE)
            self._client.set(BASELINES_MARKER, token, nx=True)
            found: Any = self._client.get(BASELINES_MARKER)
        self.marker = found.decode()
        return is_empty

    def rebuilding(self) -> dict[str, str]:
        """The tables that baselines are still to be rebuilt from, each with how far it is read."""
        with redis_errors(self.address, SinkUnavailable):
            found: Any = self._client.hgetall(BASELINES_REBUILD)
        return {table.decode(): place.decode() for table, place in found.items()}

    def note_rebuilt(self, table: str, place: str | None) -> None:
        """The table is read up to a place, empty for its beginning; None: to its end."""
        with redis_errors(self.address, SinkUnavailable):
            if place is None:
                self._client.hdel(BASELINES_REBUILD, table)
            else:
                self._client.hset(BASELINES_REBUILD, table, place)

    def keys_of(self, watch: str, entity: str) -> list[str]:
        """The keys of an entity's baselines, on every chain."""
        with redis_errors(self.address, SinkUnavailable):
            found = self._client.scan_iter(baseline_pattern(watch, entity), count=1000)
            return sorted({key.decode() if isinstance(key, bytes) else str(key) for key in found})

    def reserve(self, count: int) -> int:
        """The first of `count` new sequences. Drawn after the baselines are read, they exceed every earlier event's."""
        with redis_errors(self.address, SinkUnavailable):
            return int(self._reserve([SEQUENCE], [count]))

    @subsegment("Redis: commit")
    def commit(self, moves: Sequence[BaselineMove], *, at: datetime) -> list[bool]:
        """Make each move, atomically by itself, in one round trip; false where the entity has moved on meanwhile."""
        pipeline = self._client.pipeline(transaction=False)
        if self._counted:
            self._count(moves, pipeline)
        first = len(pipeline)
        for move in moves:
            current = move.current
            entry = move.key if current is None else current.key
            former = move.former
            names = (move.key, entry) if former is None else (former.key, former.cache_key)
            keys = [move.key, BASELINES_DUE, ALERTS, entry, SEQUENCE, *names, STREAM, FENCE]
            arguments: list[str | bytes | int] = [
                move.was.version,
                write_memory(move.now),
                write_lanes(move.now.lanes),
                _numbered(move.alerts),
                "" if move.due_at is None else microseconds(move.due_at),
                FORGET_AFTER_MS,
                write_waiting(move.now.waiting),
                microseconds(at),
                self.run,
                "" if current is None else format_time(current.as_of),
                "" if current is None else current.value,
                "" if former is None else former.left.version - 1,
                "" if former is None else write_lanes(former.left.lanes),
                self._ttls,
                self._stream_length,
                UNFENCED.number,
            ]
            for event in move.events:
                keys.append(cache_key(event.data.kind, event.data.chain, event.data.entity))
                channels = " ".join(map(route_channel, self._channels_of(event.data)))
                arguments += (event.sequence, event.json_bytes, channels)
            self._commit(keys, arguments, client=pipeline)
        with redis_errors(self.address, SinkUnavailable):
            return [taken == 1 for taken in pipeline.execute()[first:]]

    def due(self, at: datetime, limit: int) -> list[str]:
        """The keys whose tick is due, the longest due first."""
        with redis_errors(self.address, SinkUnavailable):
            found = self._client.zrangebyscore(BASELINES_DUE, "-inf", microseconds(at), start=0, num=limit)
        return [key.decode() for key in found if isinstance(key, bytes)]

    def count_due(self, until: datetime) -> int:
        """How many ticks are due until then."""
        with redis_errors(self.address, SinkUnavailable):
            return int(self._client.zcount(BASELINES_DUE, "-inf", microseconds(until)))

    def forget_due(self, keys: Sequence[str]) -> None:
        """Drop the ticks of these keys: their watch is gone."""
        with redis_errors(self.address, SinkUnavailable):
            if keys:
                self._client.zrem(BASELINES_DUE, *keys)

    def close(self) -> None:
        self._client.close()

    def _count(self, moves: Sequence[BaselineMove], pipeline: Pipeline) -> None:
        # Before the moves: what is counted and not moved, after a crash, is moved when its record comes again.
        for move in moves:
            if move.now.market is None and (watch := baseline_owner(move.key)[0]) in self._counted:
                change = pipeline.srem if move.now.state is None else pipeline.sadd
                change(entities_key(watch), move.key)
                if move.former is not None:
                    pipeline.srem(entities_key(watch), move.former.key)

    def _memory(self, found: Sequence[bytes | None]) -> Memory:
        version, state, lanes, unsent, waiting, run = ((value or b"").decode() for value in found)
        memory = Memory(
            int(version or 0), read_state(state), read_lanes(lanes), int(unsent or 0), read_waiting(waiting)
        )
        return replace(memory, is_doubtful=bool(run and self.run and run != self.run))


def counted_watches(settings: Settings) -> frozenset[str]:
    """The watches whose entities are counted: market-wide moves are a share of them."""
    return frozenset(name for name, watch in settings.watches.items() if watch.has_value and watch.market)


def redis_url_of(settings: RedisSettings) -> str:
    """Where baselines are kept. Raises SettingsError where no Redis is named."""
    if not settings.url:
        raise SettingsError("a stream source keeps its baselines in Redis, and no Redis is named", "Set RTP_REDIS_URL")
    return settings.url


def _numbered(alerts: Mapping[str, Sequence[int]]) -> str:
    """Events by their numbers, from 1."""
    return json.dumps({queue: [place + 1 for place in places] for queue, places in alerts.items()}) if alerts else ""
