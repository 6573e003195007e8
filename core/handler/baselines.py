"""The baselines in Redis: read before judging, and moved in the step that also writes the cache and publishes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.handler.memory import (
    Memory,
    microseconds,
    read_lanes,
    read_state,
    read_waiting,
    write_lanes,
    write_state,
    write_waiting,
)
from core.leading.epoch import UNFENCED
from core.redis_names import ALERTS, BASELINES_DUE, FENCE, SEQUENCE, baseline_pattern
from core.sinks.scripts import DELIVER
from rtp_client.keys import STREAM, cache_key, route_channel
from rtp_client.redact import redact
from rtp_client.redis import redis_client, redis_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    import redis

    from core.settings.models import RedisSettings
    from rtp_client.event import Event, EventData

_HERE = files("core.handler")
# The Redis sink's script becomes a function of this one, so that both are one atomic step.
_COMMIT = f"local function deliver(KEYS, ARGV)\n{DELIVER}\nend\n" + _HERE.joinpath("commit.lua").read_text("utf-8")
_RESERVE = _HERE.joinpath("reserve.lua").read_text(encoding="utf-8")
FORGET_AFTER_MS = 48 * 3600 * 1000  # a stream keeps records for 24 hours
_FIELDS = ("version", "state", "lanes", "unsent", "waiting")


@dataclass(frozen=True)
class BaselineMove:
    """An entity's next memory, the one it was made from, and the events of the move.

    `alerts` says for each queue which of the events belong in it, by their places.
    """

    key: str
    was: Memory
    now: Memory
    events: Sequence[Event] = ()
    due_at: datetime | None = None
    alerts: Mapping[str, Sequence[int]] = field(default_factory=dict)


class Baselines:
    """A client of the Redis that holds baselines, cache and stream. Every method raises SinkUnavailable."""

    def __init__(
        self,
        settings: RedisSettings,
        *,
        url: str,
        channels_of: Callable[[EventData], Sequence[str]] = lambda _: (),
    ) -> None:
        self._channels_of = channels_of
        self.address = redact(url)
        self._client = redis_client(
            url,
            client_name="rtp-handler",
            timeout_seconds=settings.timeout_seconds,
            retries=1,  # a connection gone stale between two invocations is replaced; commits are guarded by version
        )
        self._commit = self._client.register_script(_COMMIT)
        self._reserve = self._client.register_script(_RESERVE)
        self._ttls = settings.cache_ttls
        self._stream_length = settings.stream_max_length

    def load(self, keys: Sequence[str]) -> list[Memory]:
        """What is remembered under each key, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.hmget(key, _FIELDS)
        return [_memory(found) for found in self._run(pipeline)]

    def keys_of(self, watch: str, entity: str) -> list[str]:
        """The keys of an entity's baselines, on every chain."""
        with redis_errors(self.address, SinkUnavailable):
            found = self._client.scan_iter(baseline_pattern(watch, entity), count=1000)
            return sorted({key.decode() if isinstance(key, bytes) else str(key) for key in found})

    def reserve(self, count: int) -> int:
        """The first of `count` new sequences. Drawn after the baselines are read, they exceed every earlier event's."""
        with redis_errors(self.address, SinkUnavailable):
            return int(self._reserve([SEQUENCE], [count]))

    def commit(self, moves: Sequence[BaselineMove], *, at: datetime) -> list[bool]:
        """Make each move, atomically by itself, in one round trip; false where the entity has moved on meanwhile."""
        pipeline = self._client.pipeline(transaction=False)
        for move in moves:
            keys = [move.key, BASELINES_DUE, ALERTS, STREAM, FENCE]
            arguments: list[str | bytes | int] = [
                move.was.version,
                write_state(move.now.state),
                write_lanes(move.now.lanes),
                _numbered(move.alerts),
                "" if move.due_at is None else microseconds(move.due_at),
                FORGET_AFTER_MS,
                write_waiting(move.now.waiting),
                microseconds(at),
                self._ttls,
                self._stream_length,
                UNFENCED.number,
            ]
            for event in move.events:
                keys.append(cache_key(event.data.kind, event.data.chain, event.data.entity))
                channels = " ".join(map(route_channel, self._channels_of(event.data)))
                arguments += (event.sequence, event.json_bytes, channels)
            self._commit(keys, arguments, client=pipeline)
        return [taken == 1 for taken in self._run(pipeline)]

    def due(self, at: datetime, limit: int) -> list[str]:
        """The keys whose tick is due, the longest due first."""
        with redis_errors(self.address, SinkUnavailable):
            found = self._client.zrangebyscore(BASELINES_DUE, "-inf", microseconds(at), start=0, num=limit)
        return [key.decode() for key in found if isinstance(key, bytes)]

    def forget_due(self, keys: Sequence[str]) -> None:
        """Drop the ticks of these keys: their watch is gone."""
        with redis_errors(self.address, SinkUnavailable):
            if keys:
                self._client.zrem(BASELINES_DUE, *keys)

    def close(self) -> None:
        self._client.close()

    def _run(self, pipeline: redis.client.Pipeline) -> list[Any]:
        with redis_errors(self.address, SinkUnavailable):
            return pipeline.execute()


def _memory(found: Sequence[bytes | None]) -> Memory:
    version, state, lanes, unsent, waiting = ((value or b"").decode() for value in found)
    return Memory(int(version or 0), read_state(state), read_lanes(lanes), int(unsent or 0), read_waiting(waiting))


def _numbered(alerts: Mapping[str, Sequence[int]]) -> str:
    """Events by their numbers, from 1."""
    return json.dumps({queue: [place + 1 for place in places] for queue, places in alerts.items()}) if alerts else ""
