"""Entries of the stream as positions, and whether the stream still reaches to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis

from rtp_client.event import log_of
from rtp_client.stream.entries import BEGINNING, id_order, parse, text
from rtp_client.stream.gap import Gap, GapReason
from rtp_client.stream.position import EMPTY_STREAM, OLDEST, Position

if TYPE_CHECKING:
    from rtp_client.stream.entries import StreamEntry


def position_of(entry: StreamEntry) -> Position:
    """Where one is behind an entry."""
    return Position(log_of(entry.document), max(entry.sequence, 0), entry.id)


def is_of(entry: StreamEntry, position: Position) -> bool:
    """Whether an entry is the one that a position speaks of, and not another Redis's under the same id."""
    return entry.sequence == position.sequence and log_of(entry.document) == position.log


def is_missing(ends: Any) -> bool:
    """Whether XINFO STREAM's answer says that there is no stream."""
    return isinstance(ends, redis.ResponseError) and "no such key" in str(ends)


def gap_at(ends: Any, position: str) -> Gap | None:
    """Whether the stream no longer reaches back to an entry, or not up to it; `ends` is XINFO STREAM's answer."""
    if position == BEGINNING:
        return None
    if isinstance(ends, Exception):
        if not is_missing(ends):
            raise ends
        message = "the stream is gone from Redis, with whatever was not shown yet; going on with new events"
        return Gap(GapReason.STREAM_LOST, message, EMPTY_STREAM)
    if id_order(text(ends["last-generated-id"])) < id_order(position):
        newest = parse([ends["last-entry"]] if ends["last-entry"] else [])
        message = "the stream in Redis is not the one that was followed; going on with its new events"
        return Gap(GapReason.STREAM_LOST, message, position_of(newest[0]) if newest else EMPTY_STREAM)
    oldest = parse([ends["first-entry"]] if ends["first-entry"] else [])
    if oldest and oldest[0].order > id_order(position):
        start = oldest[0].sequence
        message = f"the stream now begins at sequence {start}; events before it left Redis before they were shown"
        return Gap(GapReason.TRIMMED, message, OLDEST)
    return None
