"""Where a sample event of each watch would go, for `rtp validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.tables import new_table
from core.routes.matching import Routes
from core.routes.sample_event import samples_of
from core.sinks.registry import destinations
from rtp_client.keys import route_channel

if TYPE_CHECKING:
    from rich.table import Table

    from core.settings.models import Settings


def sample_destinations(settings: Settings) -> list[dict[str, Any]]:
    """A deviation of each watch and severity: its sinks and queues, and the channels that routes add."""
    routes, asked_for = Routes(settings), destinations(settings)
    return [
        {
            "watch": name,
            "severity": event.severity,
            "change_pct": event.change_pct,
            "chain": event.chain,
            "entity": event.entity,
            "sinks": [one.sink for one in asked_for if one.takes(event)],
            "queues": routes.queues(event),
            "channels": [route_channel(channel) for channel in routes.channels(event)],
        }
        for name in settings.watches
        for event in samples_of(settings, name)
    ]


def destinations_table(settings: Settings) -> Table:
    """The same for people."""
    return new_table(
        "Where a sample event would go",
        *("watch", "severity", "by %", "chain", "protocol or token", "sinks", "channels"),
        rows=[
            (
                *(one["watch"], one["severity"], one["change_pct"], one["chain"], one["entity"]),
                *(", ".join(one["sinks"]) or "none", ", ".join(one["channels"]) or "none"),
            )
            for one in sample_destinations(settings)
        ],
    )
