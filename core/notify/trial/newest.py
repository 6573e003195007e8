"""The newest events of rtp's stream, as alerts that nobody waits for."""

from __future__ import annotations

from contextlib import closing, suppress
from itertools import islice
from typing import TYPE_CHECKING

from core.notify.alert import Alert
from core.notify.outbox.client import outbox_client
from rtp_client.event import decode_event
from rtp_client.redis import redis_errors
from rtp_client.stream.entries import entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings.models import Settings


def newest(settings: Settings, most: int) -> Iterator[Alert]:
    """The newest first. Raises ServiceUnavailable."""
    client, address = outbox_client(settings)
    with closing(client), redis_errors(address):
        for entry in islice(entries(client, newest_first=True), most):
            with suppress(ValueError):  # somebody else's
                yield Alert(decode_event(entry.document), entry.id)
