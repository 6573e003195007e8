"""CacheFill: writes events to the cache and nowhere else, and knows whether Redis still remembers a fill.

A filled cache bears a marker, which vanishes with the memory. It names the log, and the run of the server: one that has
restarted from its disk, or a replica that was promoted, may have missed the last writes, and is filled again, too.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import redis

from core.errors import SinkUnavailable
from core.redis_names import CACHE_MARKER
from core.sinks.scripts import FILL
from rtp_client.keys import cache_key
from rtp_client.redact import redact
from rtp_client.redis import redis_client, redis_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.settings.models import RedisSettings
    from rtp_client.event import Event

_COMPLETE = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end redis.call('SET', KEYS[1], ARGV[2]) return 1"
_INTERRUPTED = -1


class CacheFill:
    """Fills one Redis. Not thread-safe. Every method raises SinkUnavailable where Redis does not answer."""

    def __init__(self, settings: RedisSettings, *, url: str) -> None:
        self.address = redact(url)
        self._client = redis_client(
            url, client_name="rtp-fill", timeout_seconds=settings.timeout_seconds, decode_responses=True
        )
        self._fill = self._client.register_script(FILL)
        self._complete = self._client.register_script(_COMPLETE)
        self._ttls = settings.cache_ttls
        self._token = ""

    def is_complete(self, log_id: str) -> bool:
        """Whether this run of the server holds all that a fill from this log put there, and what came later."""
        with redis_errors(self.address, SinkUnavailable):
            try:
                return bool(self._client.get(CACHE_MARKER) == self._marker(log_id))
            except redis.ResponseError:  # a value of another type has that name
                return False

    def begin(self) -> None:
        """Start a fill that is to be `complete`: from here on, `fill` notices if the memory is lost meanwhile."""
        self._token = f"filling {secrets.token_hex(8)}"
        with redis_errors(self.address, SinkUnavailable):
            self._client.set(CACHE_MARKER, self._token)

    def fill(self, events: Sequence[Event]) -> int | None:
        """Write those that are newer than what the cache holds; how many were.

        None where the memory was lost since `begin`, or another fill has begun. Without `begin` it does not look.
        """
        keys = [CACHE_MARKER]
        arguments: list[str | bytes | int] = [self._ttls, self._token]
        for event in events:
            keys.append(cache_key(event.data.kind, event.data.chain, event.data.entity))
            arguments += (event.sequence, event.json_bytes)
        with redis_errors(self.address, SinkUnavailable):
            written: Any = self._fill(keys, arguments)
        return None if written == _INTERRUPTED else int(written)

    def complete(self, log_id: str) -> bool:
        """Note that the fill is done; false where `fill` would have returned None."""
        with redis_errors(self.address, SinkUnavailable):
            return bool(self._complete([CACHE_MARKER], [self._token, self._marker(log_id)]))

    def close(self) -> None:
        self._client.close()

    def _marker(self, log_id: str) -> str:
        try:
            run = dict(self._client.info("server")).get("run_id", "")
        except redis.ResponseError:  # a server that lets nobody ask: then the marker's presence must do
            run = ""
        return f"filled from {log_id} in run {run}"
