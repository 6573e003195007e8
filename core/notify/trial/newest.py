"""The newest events of rtp's stream, as alerts that nobody waits for."""

from __future__ import annotations

from contextlib import closing, suppress
from itertools import islice
from typing import TYPE_CHECKING

from core.notify.alert import Alert
from rtp_client.event import decode_event
from rtp_client.redact import redact
from rtp_client.redis import redis_client, redis_errors
from rtp_client.stream.entries import entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings.models import Settings


def newest(settings: Settings, most: int) -> Iterator[Alert]:
    """The newest first. Raises ServiceUnavailable."""
    url = settings.redis.url or ""
    with (
        closing(redis_client(url, timeout_seconds=settings.redis.timeout_seconds)) as client,
        redis_errors(redact(url)),
    ):
        for entry in islice(entries(client, newest_first=True), most):
            with suppress(ValueError):  # somebody else's
                yield Alert(decode_event(entry.document), entry.id)
