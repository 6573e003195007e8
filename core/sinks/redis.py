"""RedisSink: cache, pub/sub and stream of a batch in one Lua call."""

from __future__ import annotations

from collections import deque
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import redis

from core.errors import LeadershipLost, SinkUnavailable
from core.leading.epoch import UNFENCED, Epoch
from core.redis_names import FENCE
from core.routes.matching import Routes
from core.services.redis_script import HeldScript
from core.settings.models import RedisSettings
from core.sinks import Outcome, Sink
from core.sinks.pipelined import PipelinedBatches
from core.sinks.redis_advice import find_weaknesses
from core.sinks.scripts import DELIVER, DROP
from core.sinks.sink_type import Destination, SinkType
from rtp_client.errors import one_line
from rtp_client.keys import STREAM, cache_key, route_channel
from rtp_client.redact import redact
from rtp_client.redis import redis_client, redis_errors
from rtp_client.stream.entries import newest_sequences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from core.settings.models import Settings
    from rtp_client.event import Event, EventData

_RAISE_FENCE = files("core.sinks").joinpath("raise_fence.lua").read_text(encoding="utf-8")
_UNFENCED, _REFUSED, _OUT_OF_TURN = -1, -2, -3
_ALL_DELIVERED = Outcome()


class RedisSink(Sink):
    """Writes the cache (guarded by sequence), publishes, and appends to the stream. See `deliver.lua`."""

    name = "redis"
    service = "Redis"
    goes_first = True

    def __init__(
        self,
        settings: RedisSettings,
        *,
        url: str,
        poll_interval_seconds: float,
        channels_of: Callable[[EventData], Sequence[str]] = lambda _: (),
    ) -> None:
        self.address = redact(url)
        self.batch_size = settings.batch_size
        self.poll_interval_seconds = poll_interval_seconds
        self.epoch: Epoch = UNFENCED
        self._client = redis_client(url, timeout_seconds=settings.timeout_seconds)
        self._deliver = HeldScript(self._client, DELIVER)
        self._raise_fence = self._client.register_script(_RAISE_FENCE)
        self._channels_of = channels_of
        self._ttls = settings.cache_ttls
        self._stream_length = settings.stream_max_length
        self._has_lost_fence = False
        self._newest_sequences: Mapping[str, int] = {}
        self._drop = self._client.register_script(DROP)
        self._former = deque[list[tuple[str, str]]]()
        self.handover: PipelinedBatches = PipelinedBatches(self)

    def open(self) -> None:
        """Ask the server for a sign of life, and keep earlier epochs out. Raises SinkUnavailable."""
        with redis_errors(self.address, SinkUnavailable):
            self.forget_sent()
            self._client.ping()
            if self.epoch.number:
                self.epoch.check()
                self._fence()
                self._newest_sequences = newest_sequences(self._client)

    def newest_sequence(self, log_id: str) -> int:
        """See Sink."""
        return self._newest_sequences.get(log_id, 0)

    def deliver(self, events: Sequence[Event]) -> Outcome:
        """Hand the whole batch over in one atomic call; Redis takes all of it or nothing."""
        outcome = None
        while outcome is None:
            self.send(events)
            outcome = self.receive()
        return outcome

    def send(self, events: Sequence[Event], *, behind: Sequence[Event] = ()) -> None:
        """See PipelinedService."""
        keys = [STREAM, FENCE]
        arguments: list[str | bytes | int] = [self._ttls, self._stream_length, self.epoch.number]
        for event in events:
            data = event.data
            keys.append(cache_key(data.kind, data.chain, data.entity))
            channels = self._channels_of(data)
            arguments += (event.sequence, event.json_bytes, " ".join(map(route_channel, channels)) if channels else "")
        if behind:
            arguments.append(behind[-1].sequence)
        if self._has_lost_fence:
            # Redis has lost its memory: only the database can say now whether this is an epoch of before.
            self.epoch.wait_until_confirmed()
            with redis_errors(self.address, SinkUnavailable):
                self._fence()
        try:
            self._deliver.send(keys, arguments)
        except redis.RedisError as error:
            raise self._unavailable(error) from error
        self._former.append([(former_key(event.data), event.sequence) for event in events if _leaves_name(event.data)])

    def receive(self) -> Outcome | None:
        """See PipelinedService."""
        try:
            answer = self._deliver.receive()
        except redis.RedisError as error:
            self._former.clear()
            raise self._unavailable(error) from error
        former = self._former.popleft()
        if answer is None or answer[0] == _OUT_OF_TURN:
            return None
        if answer[0] == _UNFENCED:
            self._has_lost_fence = True
            return None
        if answer[0] == _REFUSED:
            raise _surpassed(answer[1])
        if former:
            with redis_errors(self.address, SinkUnavailable):
                self._drop([key for key, _ in former], [sequence for _, sequence in former])
        return _ALL_DELIVERED

    def has_answer(self, seconds: float) -> bool:
        """See PipelinedService."""
        return self._deliver.has_answer(seconds)

    def forget_sent(self) -> None:
        """See PipelinedService."""
        self._deliver.release()
        self._former.clear()

    def _fence(self) -> None:
        highest: Any = self._raise_fence([FENCE], [self.epoch.number])
        if highest > self.epoch.number:
            raise _surpassed(highest)
        self._has_lost_fence = False

    def close(self) -> None:
        self._client.close()

    def _unavailable(self, error: redis.RedisError) -> SinkUnavailable:
        return SinkUnavailable(self.service, self.address, one_line(error))


def former_key(data: EventData) -> str:
    """The cache key of what an entity was called before it was renamed: nobody is to find its last value there."""
    return cache_key(data.kind, data.previous_chain or data.chain, data.previous_entity or data.entity)


def _leaves_name(data: EventData) -> bool:
    return data.previous_entity is not None and not data.previous_taken


def _surpassed(epoch: int) -> LeadershipLost:
    return LeadershipLost(f"Redis has taken events of epoch {epoch}", surpassed_by=epoch)


def _destinations(settings: Settings) -> Iterator[Destination]:
    if url := settings.redis.url:
        yield Destination(RedisSink.name, partial(_make, settings, url))


def _make(settings: Settings, url: str) -> RedisSink:
    routes = Routes(settings)
    channels = {"channels_of": routes.channels} if routes.has_channels else {}
    return RedisSink(settings.redis, url=url, poll_interval_seconds=settings.run.poll_interval_ms / 1000, **channels)


REDIS = SinkType(
    "redis",
    RedisSettings,
    _destinations,
    asked_for_by="redis.url",
    variables={"RTP_REDIS_URL": "url"},
    find_weaknesses=find_weaknesses,
)
