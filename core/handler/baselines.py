"""The baselines in Redis: read before judging, and moved in the step that also writes the cache and publishes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.handler.memory import Memory, microseconds, read_lanes, read_state, write_lanes, write_state
from core.leading.epoch import UNFENCED
from core.redis_names import BASELINES_DUE, BASELINES_UNSENT, FENCE, SEQUENCE, baseline_pattern
from core.sinks.scripts import DELIVER
from rtp_client.keys import STREAM, cache_key, route_channel
from rtp_client.redact import redact
from rtp_client.redis import redis_client, redis_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import redis

    from core.settings.models import RedisSettings
    from rtp_client.event import Event, EventData

_HERE = files("core.handler")
# The Redis sink's script becomes a function of this one, so that both are one atomic step.
_COMMIT = f"local function deliver(KEYS, ARGV)\n{DELIVER}\nend\n" + _HERE.joinpath("commit.lua").read_text("utf-8")
_ACKNOWLEDGE = _HERE.joinpath("acknowledge.lua").read_text(encoding="utf-8")
_RESERVE = _HERE.joinpath("reserve.lua").read_text(encoding="utf-8")
_FORGET_AFTER_MS = 48 * 3600 * 1000  # a stream keeps records for 24 hours
_FIELDS = ("version", "state", "lanes", "pending")


@dataclass(frozen=True)
class BaselineMove:
    """An entity's next memory, the one it was made from, and the events of the move."""

    key: str
    was: Memory
    now: Memory
    events: Sequence[Event] = ()
    due_at: datetime | None = None


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
        self._acknowledge = self._client.register_script(_ACKNOWLEDGE)
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
            keys = [move.key, BASELINES_DUE, BASELINES_UNSENT, STREAM, FENCE]
            arguments: list[str | bytes | int] = [
                move.was.version,
                write_state(move.now.state),
                write_lanes(move.now.lanes),
                json.dumps(move.now.pending) if move.now.pending else "",
                "" if move.due_at is None else microseconds(move.due_at),
                _FORGET_AFTER_MS,
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

    def acknowledge(self, versions: Sequence[tuple[str, int]]) -> None:
        """SQS has every pending event of these keys, as of these versions."""
        pipeline = self._client.pipeline(transaction=False)
        for key, version in versions:
            self._acknowledge([key, BASELINES_UNSENT], [version, _FORGET_AFTER_MS], client=pipeline)
        self._run(pipeline)

    def note_refusal(self, key: str) -> int:
        """SQS has refused what is pending under this key; how often it has by now."""
        with redis_errors(self.address, SinkUnavailable):
            return int(self._client.hincrby(key, "refused", 1))

    def due(self, at: datetime, limit: int) -> list[str]:
        """The keys whose tick is due, the longest due first."""
        return self._up_to(BASELINES_DUE, at, limit)

    def forget_due(self, keys: Sequence[str]) -> None:
        """Drop the ticks of these keys: their watch is gone."""
        with redis_errors(self.address, SinkUnavailable):
            if keys:
                self._client.zrem(BASELINES_DUE, *keys)

    def unsent(self, before: datetime, limit: int) -> list[str]:
        """Keys whose events have waited for SQS since `before`, the oldest first."""
        return self._up_to(BASELINES_UNSENT, before, limit)

    def close(self) -> None:
        self._client.close()

    def _up_to(self, name: str, at: datetime, limit: int) -> list[str]:
        with redis_errors(self.address, SinkUnavailable):
            found = self._client.zrangebyscore(name, "-inf", microseconds(at), start=0, num=limit)
        return [key.decode() for key in found if isinstance(key, bytes)]

    def _run(self, pipeline: redis.client.Pipeline) -> list[Any]:
        with redis_errors(self.address, SinkUnavailable):
            return pipeline.execute()


def _memory(found: Sequence[bytes | None]) -> Memory:
    version, state, lanes, pending = ((value or b"").decode() for value in found)
    return Memory(int(version or 0), read_state(state), read_lanes(lanes), tuple(json.loads(pending or "[]")))
