"""Alerts that an earlier version of rtp left within the baselines: they go where alerts wait now, for each queue."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.handler.baselines import FORGET_AFTER_MS
from core.handler.scripts import CARRY_OVER
from core.letters.stream_letters import StreamLetter
from core.redis_names import ALERTS, BASELINES_UNSENT
from rtp_client.event import decode_event
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import redis

    from rtp_client.event import Event

_KEYS_AT_ONCE = 100


@dataclass(frozen=True)
class _Kept:
    """What a baseline keeps: `pending` is a JSON list of events, empty for none; the oldest was made at `since`."""

    key: str
    pending: str
    since: int


class EarlierAlerts:
    """Carries them over. Functions of both versions may run beside each other for a while.

    `bury` takes a dead letter, or raises SinkUnavailable.
    """

    def __init__(self, client: redis.Redis, address: str, *, bury: Callable[[StreamLetter], None]) -> None:
        self._client = client
        self._address = address
        self._bury = bury
        self._script = client.register_script(CARRY_OVER)

    def carry_over(self, queues_of: Callable[[Event], Sequence[str]]) -> None:
        """Put all there are where these queues' alerts wait. Raises SinkUnavailable without Redis."""
        while found := self._read():
            pipeline = self._client.pipeline(transaction=False)
            for kept in found:
                arguments = [argument for event in _events(kept) for argument in self._waiting(event, queues_of(event))]
                keys = [kept.key, ALERTS, BASELINES_UNSENT]
                self._script(keys, [kept.pending, kept.since, FORGET_AFTER_MS, *arguments], client=pipeline)
            with redis_errors(self._address, SinkUnavailable):
                pipeline.execute()

    def _read(self) -> list[_Kept]:
        with redis_errors(self._address, SinkUnavailable):
            found: Any = self._client.zrange(BASELINES_UNSENT, 0, _KEYS_AT_ONCE - 1, withscores=True)
            pipeline = self._client.pipeline(transaction=False)
            for key, _ in found:
                pipeline.hget(key, "pending")
            kept = pipeline.execute()
        return [
            _Kept(key.decode(), (pending or b"").decode(), int(since))
            for (key, since), pending in zip(found, kept, strict=True)
        ]

    def _waiting(self, event: Event, queues: Sequence[str]) -> list[str]:
        document = event.json_bytes.decode()
        if not queues:
            self._bury(
                StreamLetter("an earlier version kept it for a queue, and none takes it any more", event=document)
            )
        return [argument for queue in queues for argument in (queue, event.sequence, document)]


def _events(kept: _Kept) -> list[Event]:
    return [decode_event(document) for document in json.loads(kept.pending or "[]")]
