"""How much the stream in Redis holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import redis

from core.gateway.rest.documents import StreamFigures
from rtp_client.event import format_time
from rtp_client.keys import STREAM
from rtp_client.stream.ends import is_missing
from rtp_client.stream.entries import id_order, parse

if TYPE_CHECKING:
    from redis import asyncio as async_redis

    from rtp_client.stream.ends import is_missing
from rtp_client.stream.entries import StreamEntry


async def stream_figures(client: async_redis.Redis) -> StreamFigures | None:
    """The stream's length and ends; None where Redis does not answer."""
    try:
        ends: Any = await client.xinfo_stream(STREAM)
    except redis.ResponseError as error:
        return StreamFigures(events=0, oldest_at=None, newest_at=None) if is_missing(error) else None
    except redis.RedisError:
        return None
    oldest, newest = (parse([entry])[0] if entry else None for entry in (ends["first-entry"], ends["last-entry"]))
    return StreamFigures(events=ends["length"], oldest_at=_delivered(oldest), newest_at=_delivered(newest))


def _delivered(entry: StreamEntry | None) -> str | None:
    """By Redis's clock, which is in the entry's id."""
    return None if entry is None else format_time(datetime.fromtimestamp(id_order(entry.id)[0] / 1000, UTC))
