"""The queues that the settings ask for, each with a sink of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.settings.models import Settings

DEFAULT_SINK = "sqs"


@dataclass(frozen=True)
class SqsDestination:
    """One queue, the sink that delivers to it, and its dead letter queue where the settings name one."""

    sink: str
    queue: str
    dead_letter_queue: str | None
    is_default: bool


def sqs_destinations(settings: Settings) -> list[SqsDestination]:
    """Every queue, the default first."""
    default = settings.sqs.queue
    found = [SqsDestination(DEFAULT_SINK, default, settings.sqs.dead_letter_queue, is_default=True)] if default else []
    named = {route.queue: route.dead_letter_queue for route in settings.routes if route.dead_letter_queue}
    for queue in dict.fromkeys(route.queue for route in settings.routes if route.queue and route.queue != default):
        found.append(SqsDestination(f"sqs:{queue}", queue, named.get(queue), is_default=False))
    return found
