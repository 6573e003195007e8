"""Events at their places in a stream, without a Redis."""

from __future__ import annotations

from typing import Any

from core.gateway.placed_event import PlacedEvent, placed
from rtp_client.stream.entries import StreamEntry
from tests.samples import make_event


def placed_event(number: int, **columns: Any) -> PlacedEvent:
    """The event of this sequence, in the entry of this number."""
    document = make_event(number, **columns).json_bytes
    return placed(StreamEntry(f"{number}-0", {b"sequence": b"%d" % number, b"event": document}))
