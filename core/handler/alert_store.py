"""The alerts that wait in Redis until their queue has them. `commit.lua` puts them there, with the baseline's move."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.handler.baselines import FORGET_AFTER_MS
from core.handler.memory import microseconds, moment_at
from core.handler.scripts import ACKNOWLEDGE
from core.redis_names import ALERTS, alerts_key, alerts_of_key
from rtp_client.event import Event, decode_event
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import redis


@dataclass(frozen=True)
class PendingAlerts:
    """How many alerts wait for a queue, and since when the oldest."""

    queue: str
    alerts: int
    oldest_at: datetime

    def oldest_seconds(self, now: datetime) -> float:
        """The age of the oldest."""
        return max(0.0, (now - self.oldest_at).total_seconds())


class AlertStore:
    """Every method raises SinkUnavailable."""

    def __init__(self, client: redis.Redis, address: str) -> None:
        self._client = client
        self._address = address
        self._acknowledge = client.register_script(ACKNOWLEDGE)

    def oldest(self, queue: str, keys: Sequence[str], *, of_each: int) -> Mapping[str, Sequence[Event]]:
        """The oldest alerts of each of these baselines that wait for a queue, in order."""
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.zrange(alerts_of_key(queue, key), 0, of_each - 1)
        with redis_errors(self._address, SinkUnavailable):
            found = pipeline.execute()
        return {key: [_event(alert) for alert in alerts] for key, alerts in zip(keys, found, strict=True) if alerts}

    def waiting(self, queue: str, before: datetime, *, most: int) -> list[str]:
        """The baselines with alerts that have waited for a queue since `before`, the longest first."""
        with redis_errors(self._address, SinkUnavailable):
            found: Any = self._client.zrangebyscore(alerts_key(queue), "-inf", microseconds(before), start=0, num=most)
        return [key.decode() for key in found]

    def acknowledge(self, queue: str, taken: Mapping[str, str]) -> None:
        """The queue has the alerts of each of these baselines up to a sequence."""
        pipeline = self._client.pipeline(transaction=False)
        for key, sequence in taken.items():
            self._acknowledge([key, ALERTS], [queue, sequence, FORGET_AFTER_MS], client=pipeline)
        with redis_errors(self._address, SinkUnavailable):
            pipeline.execute()

    def note_refusal(self, queue: str, key: str) -> int:
        """The queue has refused the oldest of a baseline's alerts; how often it has by now."""
        with redis_errors(self._address, SinkUnavailable):
            return int(self._client.hincrby(key, f"refused:{queue}", 1))

    def pending(self) -> list[PendingAlerts]:
        """What waits, by queue, also for queues that the settings name no more."""
        with redis_errors(self._address, SinkUnavailable):
            counts: Any = self._client.hgetall(ALERTS)
            queues = sorted(name.decode() for name in counts)
            pipeline = self._client.pipeline(transaction=False)
            for queue in queues:
                pipeline.zrange(alerts_key(queue), 0, 0, withscores=True)
            oldest = pipeline.execute()
        return [
            PendingAlerts(queue, int(counts[queue.encode()]), moment_at(int(found[0][1])))
            for queue, found in zip(queues, oldest, strict=True)
            if found
        ]


def _event(alert: bytes) -> Event:
    _, _, document = alert.partition(b" ")
    return decode_event(document)
