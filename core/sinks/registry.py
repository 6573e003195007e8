"""The types of sink that there are. A new one is a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import SettingsError
from core.sinks.redis import REDIS
from core.sinks.sqs import SQS
from core.sinks.webhook import WEBHOOK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings.models import Settings
    from core.sinks import Sink
    from core.sinks.sink_type import Destination, SinkType

SINK_TYPES: tuple[SinkType, ...] = (
    REDIS,
    SQS,
    WEBHOOK,
)


def destinations(settings: Settings) -> list[Destination]:
    """Every sink that the settings ask for."""
    return [destination for sink_type in SINK_TYPES for destination in sink_type.destinations(settings)]


def sink_names(settings: Settings) -> tuple[str, ...]:
    """The sinks that the settings ask for, as their cursors are called."""
    return tuple(destination.sink for destination in destinations(settings))


def build_sinks(settings: Settings) -> dict[str, Sink]:
    """The sinks that the settings ask for, by name. Raises SettingsError where none is, or one cannot be made."""
    return {destination.sink: destination.make() for destination in some_destinations(settings)}


def some_destinations(settings: Settings) -> list[Destination]:
    """Every sink that the settings ask for. Raises SettingsError where none is."""
    found = destinations(settings)
    if not found:
        keys = ", ".join(sink_type.asked_for_by for sink_type in SINK_TYPES)
        raise SettingsError(f"there is no sink: none of {keys} is set", "Set one in the YAML file or the environment")
    return found


def find_weaknesses(settings: Settings) -> Iterator[str]:
    """What would hurt the sinks that the settings ask for, a line each."""
    for sink_type in SINK_TYPES:
        yield from sink_type.find_weaknesses(settings)
