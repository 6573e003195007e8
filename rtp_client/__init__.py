"""What rtp publishes, as services read it: the newest value of everything, and every event as it comes.

    from rtp_client import CacheReader, SyncClient

    with CacheReader("redis://localhost:6379/0") as cache:
        entry = cache.get("tvl", "ethereum", "lido")

    with SyncClient("https://rtp.example", token) as client:       # or redis://; Client for asyncio
        for live in client.events(kind="price", reason="depeg"):
            print(live.event.subject, live.event.data.change_pct, live.position)

These names, `rtp_client.event`, `rtp_client.keys` and `rtp_client.errors` are what may be relied on; all else may
change without notice. Importing this package imports nothing else: each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtp_client.backoff import Backoff
    from rtp_client.cache.async_reader import AsyncCacheReader
    from rtp_client.cache.entry import Entry, Source
    from rtp_client.cache.item_table import DynamoDb, ItemTable
    from rtp_client.cache.options import CacheOptions
    from rtp_client.cache.reader import CacheReader
    from rtp_client.cache.table import Fixed, Table
    from rtp_client.errors import GatewayRefused, RtpError, ServiceUnavailable, SettingsError
    from rtp_client.event import Event, EventData, FieldChange, Reason, Severity, decode_event, event_schema
    from rtp_client.event_filter import EventFilter
    from rtp_client.keys import STREAM, cache_key, channel, channel_pattern, route_channel
    from rtp_client.live.client import Client
    from rtp_client.live.messages import LiveEntry, LiveEvent, Message, SnapshotPage, Subscribed
    from rtp_client.live.sync_client import SyncClient
    from rtp_client.stream.event_stream import EventStream, TailedEvent
    from rtp_client.stream.gap import Gap, GapReason
    from rtp_client.stream.position import Position

_HOMES = {
    "backoff": ("Backoff",),
    "cache.async_reader": ("AsyncCacheReader",),
    "cache.entry": ("Entry", "Source"),
    "cache.item_table": ("DynamoDb", "ItemTable"),
    "cache.options": ("CacheOptions",),
    "cache.reader": ("CacheReader",),
    "cache.table": ("Fixed", "Table", "TableOfAliases"),
    "errors": ("GatewayRefused", "RtpError", "ServiceUnavailable", "SettingsError"),
    "event": ("Event", "EventData", "FieldChange", "Reason", "Severity", "decode_event", "event_schema"),
    "event_filter": ("EventFilter",),
    "keys": ("STREAM", "cache_key", "channel", "channel_pattern", "route_channel"),
    "live.client": ("Client",),
    "live.messages": ("LiveEntry", "LiveEvent", "Message", "SnapshotPage", "Subscribed"),
    "live.sync_client": ("SyncClient",),
    "stream.event_stream": ("EventStream", "TailedEvent"),
    "stream.gap": ("Gap", "GapReason"),
    "stream.position": ("Position",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "STREAM",
    "AsyncCacheReader",
    "Backoff",
    "CacheOptions",
    "CacheReader",
    "Client",
    "DynamoDb",
    "Entry",
    "Event",
    "EventData",
    "EventFilter",
    "EventStream",
    "FieldChange",
    "Fixed",
    "Gap",
    "GapReason",
    "GatewayRefused",
    "ItemTable",
    "LiveEntry",
    "LiveEvent",
    "Message",
    "Position",
    "Reason",
    "RtpError",
    "ServiceUnavailable",
    "SettingsError",
    "Severity",
    "SnapshotPage",
    "Source",
    "Subscribed",
    "SyncClient",
    "Table",
    "TableOfAliases",
    "TailedEvent",
    "cache_key",
    "channel",
    "channel_pattern",
    "decode_event",
    "event_schema",
    "route_channel",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
